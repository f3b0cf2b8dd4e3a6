"""Background threads: unexpected errors end none of them, and a stuck or dead one is reported."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from structlog.testing import capture_logs

from netlink.errors import KernelError
from netlink.links import Link
from netlink.monitor import LINKS
from plugin.background.loop import Loop, alive, trouble
from plugin.ipam_router import IpamRouter
from plugin.model.records import Tombstone
from plugin.reconcile.watcher import Watcher
from plugin.removal.garbage import EngineView, GarbageCollector
from plugin.request.retries import Owed, RetryQueue
from plugin.store.base import Put
from tests.fakes import World
from tests.unit.ipam.parts import manager

ODD = Owed.network("odd")
PATIENCE = 20.0  # seconds; a hang must not take for ever


class Turns:
    """Work that fails as a test says, and counts its calls; None ends the thread."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = iter(errors)
        self.done: SimpleQueue[object] = SimpleQueue()

    def __call__(self, what: object = None) -> None:
        self.done.put(what)
        error = next(self.errors, None)
        if error is not None:
            raise error

    def await_turns(self, count: int) -> list[object]:
        """Wait until it was called ``count`` times."""
        return [self.done.get(timeout=PATIENCE) for _ in range(count)]


def run(errors: list[Exception], turns: int) -> list[tuple[str, str]]:
    """Let a thread make ``turns`` turns that fail as ``errors`` say; return level and whether there is a traceback."""
    work, left = Turns(*errors), iter(range(turns))
    with capture_logs() as lines:
        loop = Loop("x", lambda: next(left, None), work, pauses=(0.0, 0.0)).start()
        assert work.await_turns(turns) == list(range(turns))
        loop.join(PATIENCE)
    assert trouble([loop]) == ""
    return [(line["log_level"], line.get("error") or repr(line["exc_info"])) for line in lines]


def test_a_thread_outlives_what_nobody_foresaw() -> None:
    """An unexpected error is logged, and the next turn follows."""
    assert run([ValueError("a")], 3) == [("error", "ValueError('a')")]


def test_each_error_is_said_once_until_it_went_well() -> None:
    """Each error is logged once until a turn succeeds; an expected error has no traceback."""
    errors = [KernelError("busy"), ValueError("a")] * 3
    assert run(errors, 6) == [("warning", "busy"), ("error", "ValueError('a')")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_told() -> None:
    """A dead thread is reported; one that was ended is not."""
    loop = Loop("x", lambda: True, Turns(SystemExit())).start()  # type: ignore[arg-type]
    loop.join(PATIENCE)
    assert trouble([loop]) == "thread 'x' has died"


def test_a_thread_that_is_stuck_is_told() -> None:
    """A stuck thread is reported by name, but only while it works, not while it waits."""
    todo: SimpleQueue[bool | None] = SimpleQueue()
    begun, go_on = threading.Event(), threading.Event()

    def work(_: bool) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    loop = Loop("x", todo.get, work, longest=0.0).start()
    assert trouble([loop]) == ""
    todo.put(True)
    begun.wait(PATIENCE)
    assert "thread 'x' has given no sign of life for" in trouble([loop])
    go_on.set()
    while loop.trouble:
        pass
    todo.put(None)


def test_long_work_gives_signs_of_life() -> None:
    """Long work gives signs of life, each later than the last; outside of a loop they do nothing."""
    signs: SimpleQueue[tuple[float | None, float | None]] = SimpleQueue()

    def work(_: bool) -> None:
        before = loop._alive_at
        alive()
        signs.put((before, loop._alive_at))

    alive()
    loop = Loop("x", iter([True, None]).__next__, work)
    loop.start()
    before, after = signs.get(timeout=PATIENCE)
    assert before is not None
    assert after is not None
    assert after > before


class Bell:
    """Rings as it is told, and then never again."""

    def __init__(self, *rings: frozenset[str] | Exception) -> None:
        self._rings = iter(rings)

    def wait(self, seconds: float) -> frozenset[str]:
        """Ring, fail, or wait for ever."""
        ring = next(self._rings, None)
        if ring is None:
            threading.Event().wait()
        if isinstance(ring, Exception):
            raise ring
        return ring or frozenset()


def test_the_watcher_goes_on(world: World) -> None:
    """Unreadable listings or notifications do not end the watcher; it hears the next notification."""
    seen, links = Turns(ValueError("a")), world.kernel.links

    def unreadable(**condition: Any) -> list[Link]:
        seen()
        return links(**condition)

    world.kernel.links = unreadable  # type: ignore[method-assign]
    world.kernel.by_name["docker0"] = Link(9, "docker0", "bridge")
    rung = frozenset({LINKS})
    watcher = Watcher(world.reconciler, Bell(ValueError("b"), rung))
    watcher.look(rung)
    watcher.start()

    seen.await_turns(2)


def test_retries_go_on() -> None:
    """A retry that fails unexpectedly does not stop those behind it, and is done later."""
    retries, odd, even = RetryQueue(pause=0.01), Turns(ValueError("a"), ValueError("a")), Turns()
    retries.add(ODD, odd)
    retries.add(Owed.network("even"), even)
    retries.start()
    even.await_turns(1)
    odd.await_turns(3)
    while retries.pending(ODD):
        pass


def test_the_reaper_goes_on(world: World) -> None:
    """A deletion that fails unexpectedly stays noted, and the next deletions are done."""
    world.kernel.add_bridge("pn-1", "", 1500)
    world.kernel.add_bridge("pn-2", "", 1500)
    work, delete = Turns(ValueError("a")), world.kernel.delete_links

    def fail(links: list[Link]) -> None:
        work()
        delete(links)

    world.kernel.delete_links = fail  # type: ignore[method-assign,assignment]
    world.store.transact(Put(Tombstone("pn-1")))
    world.reaper.start()
    work.await_turns(1)
    world.store.transact(Put(Tombstone("pn-2")))
    world.reaper.bury([Tombstone("pn-2")])
    work.await_turns(1)
    world.reaper.stop()

    assert list(world.kernel.by_name) == ["pn-1"]
    assert [item.record.link for item in world.store.list(Tombstone)] == ["pn-1"]


class Odd:
    """An engine whose answers surprise."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look

    def view(self, networks: object) -> EngineView | None:
        """Fail, or give no answer."""
        self._look()
        return None


def test_the_collector_goes_on(world: World) -> None:
    """An unexpected answer of the engine does not end the collector."""
    looks = Turns(ValueError("a"), ValueError("b"))
    GarbageCollector(Odd(looks), world.removal, IpamRouter(manager(world.store), None), world.store, 0.02).start()
    looks.await_turns(3)
