"""When a request is whole: the server's loop decides it before a thread is taken."""

import math
from itertools import pairwise
from logging import getLogger
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.server.renewal import Renewal
from cli.server.worker import Incoming, PatientWorker
from handlers.limits import LARGEST_BODY

HEADS = {
    "length": "POST /x HTTP/1.1\r\nHost: \r\nCONTENT-length: \t5 \r\nX: Content-Length: 9\r\n\r\n",
    "chunks": "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    "none": "GET /x HTTP/1.1\r\n\r\n",
    "too much": f"POST /x HTTP/1.1\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\n",
}
BODIES = {"length": "abcde", "chunks": "0\r\n\r\n", "none": "", "too much": ""}


@given(st.sampled_from(sorted(HEADS)), st.lists(st.integers(1, 90)))
def test_a_request_is_whole_at_its_last_byte_however_it_is_cut(name: str, cuts: list[int]) -> None:
    """Not before it, not after it, whatever pieces it comes in."""
    data = (HEADS[name] + BODIES[name]).encode()
    incoming = Incoming(cast("Any", None), 0.0)
    edges = sorted({0, len(data) - 1, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in pairwise(edges):
        assert not incoming.complete
        incoming.add(data[start:end])

    assert incoming.complete
    assert incoming.data == data


class Full(PatientWorker):
    """A worker with all the connections that it may have, of which ``silent`` have sent no whole request."""

    def __init__(self, silent: int) -> None:
        self.worker_connections = self.nr_conns = 8
        self._buffered = 0
        self._incoming = {cast("Any", number): Incoming(cast("Any", number), 0.0) for number in range(silent)}
        self.log = cast("Any", getLogger())

    def _drop(self, incoming: Incoming) -> None:
        del self._incoming[cast("Any", incoming.connection)]
        self.nr_conns -= 1


@pytest.mark.parametrize(("silent", "left"), [(8, 7), (5, 4), (4, 4), (1, 1)])
def test_who_has_just_called_is_not_dropped_for_those_that_are_served(silent: int, left: int) -> None:
    """Silent connections make room; where calls that are served fill it, others wait in the socket's queue."""
    worker = Full(silent)
    worker._make_room()

    assert len(worker._incoming) == left


class Trimmed(PatientWorker):
    """A worker without connections that counts how often it gives memory back; ``due`` is the next time."""

    def __init__(self, due: float) -> None:
        self._incoming, self._trim_at, self.times = {}, due, 0

    def trim(self) -> None:
        """Count."""
        self.times += 1


@pytest.mark.parametrize(("due", "times"), [(0.0, 1), (math.inf, 0)])
def test_memory_is_given_back_once_after_a_call(due: float, times: int) -> None:
    """The loop asks at least once a second; without further calls it must do nothing."""
    worker = Trimmed(due)
    for _ in range(3):
        worker.murder_pending()

    assert (worker.times, worker._trim_at) == (times, math.inf)


@pytest.mark.parametrize(("due", "outgrown", "alive"), [(0.0, True, False), (0.0, False, True), (math.inf, True, True)])
def test_a_worker_that_is_outgrown_ends_when_nobody_has_called_for_a_while(
    due: float,
    outgrown: bool,
    alive: bool,
) -> None:
    """The loop ends after the calls that are there, and gunicorn's parent starts the next worker."""
    worker = Trimmed(due)
    worker.alive, worker.outgrown = True, lambda: outgrown
    worker.murder_pending()

    assert worker.alive == alive


@pytest.mark.parametrize(("kept", "due"), [((5, 0), True), ((0, 4, 0), False), ((5, 1), False), ((0,), False)])
def test_a_fresh_worker_is_due_if_nothing_is_left_of_much(kept: tuple[int, ...], due: bool) -> None:
    """Five things are many here; a worker that keeps anything stays, because its sockets and flows would be lost."""
    numbers = iter(kept)
    renewal = Renewal(lambda: next(numbers), many=5)

    assert [renewal.due() for _ in kept][-1] == due


class Sorting(PatientWorker):
    """A worker whose threads only note which requests they got; the engine's are ``tpool``."""

    admin = "/admin"

    def __init__(self) -> None:
        self.tpool, self._for_commands = cast("Any", Noting()), cast("Any", Noting())


class Noting:
    """Threads that carry out nothing."""

    def __init__(self) -> None:
        self.got: list[str] = []

    def submit(self, _: object, connection: Any) -> Any:
        """Note where a request came in."""
        self.got.append(connection.server)
        return SimpleNamespace(add_done_callback=lambda _: None)


def test_commands_have_threads_of_their_own() -> None:
    """However many commands hang, the threads that serve the engine are free."""
    worker = Sorting()
    for server in ("/admin", "/engine", "/admin"):
        worker.enqueue_req(cast("Any", SimpleNamespace(server=server)))

    assert (worker.tpool.got, cast("Any", worker._for_commands).got) == (["/engine"], ["/admin", "/admin"])
