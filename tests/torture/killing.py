"""pynet with a counter around every part that changes something outside of it; the counter kills it at one step.

    python -m tests.torture.killing FOLDER     in the place of ``pynet serve``

``FOLDER/plan`` says when: "WHERE STEP SIDE", for example "request 3 after". WHERE is what the step is done for: a
request, the start, or the name of a background thread. Counting begins anew when the plan changes. Every step is a line
of ``FOLDER/steps``. Steps are the calls that change something: netlink messages, nftables transactions, transactions of
the store, ports that are held or given back, forgotten flows.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from cli.server.application import build
from cli.server.serve import run
from plugin.cluster.takeover.waiting import Timing
from plugin.modes.registry import MODES
from plugin.request.execution import PATIENCE
from tests.leased_mode import LeasedMode
from tests.settling import SLOWNESS
from tests.torture import dhcp_server
from tests.torture.cluster import FILE, FileCluster
from tests.torture.dhcp_server import FileDhcp
from tests.toy_mode import ToyMode

T = TypeVar("T")

BEFORE, AFTER = "before", "after"
# Calls that only read: a kill around one finds the same world as a kill around the change before it.
READING = {
    "links",
    "link",
    "link_exists",
    "uplinks",
    "addresses",
    "addresses_of",
    "ipv6_default_routes",
    "generation",
    "exists",
    "source",
    "takes_gso",
    "buckets",
    "redirections",
    "try_buckets",
    "check",
    "static_parts",
    "elements_of",
    "read_setting",
    "list",
    "revision",
    "set_aside",
    "rules",
    "get",
    "watch",
    "close",
    "is_own",
    "entries",
    "try_wireguard",
    "state",
    "led",
    "nudge",
    "read",
}
# Calls of the thread of the tunnels at each look, mostly for nothing: a kill around one is one before the next step.
AGAIN = {"netlink set_key", "netlink add_address"}
SECRECY = "secrecy"  # the name of that thread
SERVING = ("ThreadPoolExecutor", "worker")  # beginnings of the names of the threads that serve requests
QUICK = Timing(lambda: time.monotonic() * 100, lambda: 0.0, 0.1)  # a takeover waits for 31 s at least
INSIDE = {"delete_links"}  # several messages, which are counted one by one


class Steps:
    """Counts the steps of the plan's WHERE, and kills at the planned one."""

    def __init__(self, folder: Path) -> None:
        self._plan = folder / "plan"
        self._steps = folder / "steps"
        self._lock = threading.Lock()  # guards _seen and _count
        self._seen = ""
        self._count = 0

    def take(self, name: str, change: Callable[[], T]) -> T:
        """Do ``change``, unless the plan ends this process before; or end it right after."""
        number, planned, side = self._number(name)
        if number == planned and side == BEFORE:
            _die()
        try:
            return change()
        finally:
            if number == planned and side == AFTER:
                _die()

    def _number(self, name: str) -> tuple[int, int, str]:
        """Return which step of the plan this is (0: none), the planned one, and the side."""
        with self._lock:
            plan = self._plan.read_text() if self._plan.exists() else ""
            if plan != self._seen:
                self._seen, self._count = plan, 0
            where, step, side = plan.split() if plan else ("", "0", "")
            if where != _where() or (where == SECRECY and name in AGAIN):
                return -1, 0, side
            self._count += 1
            with self._steps.open("a") as log:
                log.write(f"{name}\n")
            return self._count, int(step), side


def _where() -> str:
    name = threading.current_thread().name
    if name.startswith(SERVING):
        return "request"
    return "start" if name == "MainThread" else name


def _die() -> None:
    """Kill (SIGKILL) every process of pynet: gunicorn's parent, which leads their process group, and this worker."""
    os.killpg(0, signal.SIGKILL)


class _Counted:
    """Forwards every attribute; calls that change something are steps."""

    def __init__(self, name: str, collaborator: object, steps: Steps) -> None:
        self._name = name
        self._collaborator = collaborator
        self._steps = steps

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._collaborator, attribute)
        if not callable(value) or attribute in READING | INSIDE:
            return value
        label = f"{self._name} {attribute}"
        return lambda *arguments, **named: self._steps.take(label, lambda: value(*arguments, **named))


def wrapped(folder: Path) -> Any:
    """Return a function that puts the counter around each part."""
    steps = Steps(folder)

    def wrap(name: str, collaborator: T) -> T:
        if name == "timing":
            return cast("T", QUICK)
        if name == "cluster":
            collaborator = cast("T", FileCluster(folder / FILE))
        if name == "dhcp":
            collaborator = cast("T", FileDhcp(folder / dhcp_server.FILE))
        return cast("T", _Counted(name, collaborator, steps))

    return wrap


def serve(folder: Path) -> None:
    """Serve as the leader of a process group; networks may be of the modes of tests too."""
    if os.getpgid(0) != os.getpid():
        os.setsid()
    patience = PATIENCE * SLOWNESS
    run(lambda settings: build(settings, wrapped(folder), [*MODES, ToyMode, LeasedMode], patience))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
