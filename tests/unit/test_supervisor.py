"""Messages to a service manager, and the cases in which none is sent."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.server.supervisor import Supervisor, answers, handed_socket
from plugin.errors import InvalidRequest


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which a service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        yield listener


def test_the_variables_are_taken_out(manager: socket.socket) -> None:
    """Gunicorn would say that it is ready long before pynet is, and take sockets for its own."""
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1", "LISTEN_PID": "1", "LISTEN_FDS": "1"}
    Supervisor(environment)
    assert handed_socket(Path("/run/x.sock"), environment) is None
    assert not environment


def test_the_watchdog_is_fed_only_for_an_answer(manager: socket.socket) -> None:
    """The watchdog is fed only if a request was answered."""
    found = iter([False, False, True])
    patience: list[float] = []

    def serves(seconds: float) -> bool:
        patience.append(seconds)
        return next(found, True)

    supervisor = Supervisor({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000"})
    supervisor.ready(serves)
    assert [manager.recv(64), manager.recv(64)] == [b"READY=1", b"WATCHDOG=1"]
    supervisor.stop()
    assert patience[:3] == [0.015] * 3


def test_the_watchdog_is_not_fed_while_a_thread_is_in_trouble(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are answered all the time; the log says which thread it is."""
    found = iter(["thread 'watcher' has died", ""])
    supervisor = Supervisor({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000"})
    supervisor.ready(lambda _: True, lambda: next(found, ""))
    assert [manager.recv(64), manager.recv(64)] == [b"READY=1", b"WATCHDOG=1"]
    supervisor.stop()
    assert caplog.messages == ["watchdog not fed: thread 'watcher' has died"]


def test_a_watchdog_of_another_process_is_not_fed(manager: socket.socket) -> None:
    """The variables may have been meant for a parent (sd_watchdog_enabled(3))."""
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    Supervisor(environment).ready(lambda _: pytest.fail("asked"))
    assert manager.recv(64) == b"READY=1"


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """What cannot be told is logged."""
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready(lambda _: True)
    Supervisor({}).ready(lambda _: True)


def test_a_silent_socket_does_not_answer(tmp_path: Path) -> None:
    """A socket without a listener, or with a silent one, counts as not answering."""
    path = tmp_path / "s"
    assert not answers(path, 0.01)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert not answers(path, 0.01)


def test_several_sockets_are_refused() -> None:
    """Pynet serves one, and guesses at none."""
    with pytest.raises(InvalidRequest, match="2 sockets were handed over"):
        handed_socket(Path("/run/x.sock"), {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"})
