"""How the server ends: it answers calls that it has begun, and waits for nobody else."""

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.test_http import ACTIVATE, TIMEOUT, dial

PATIENT = 4.0  # seconds: less than gunicorn's own worker waits for one silent client, or for eight that do not close


@pytest.fixture
def server() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Path of a socket and the server behind it, which serves already."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "pynet.sock")
        listener.bind(path)
        listener.listen(64)
        command = [sys.executable, "-m", "tests.contract.serving", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        listener.close()
        try:
            assert answer(path).startswith(b"HTTP/1.1 200")
            yield path, process
        finally:
            process.kill()
            process.wait()


def answer(path: str) -> bytes:
    """Return all that comes back to an Activate before the server closes."""
    with dial(path) as client:
        client.sendall(ACTIVATE.encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_silent_clients_do_not_keep_it(server: tuple[str, "subprocess.Popen[bytes]"]) -> None:
    """Idle connections, which the engine opens ahead of need, do not keep the server; the socket's file is removed."""
    path, process = server
    with ExitStack() as clients:
        silent = [clients.enter_context(dial(path)) for _ in range(3)]
        answer(path)  # by now the three have been accepted
        process.send_signal(signal.SIGTERM)
        for client in silent:
            client.settimeout(PATIENT)
            assert client.recv(1) == b""
        assert process.wait(TIMEOUT) == 0
    assert not Path(path).exists()


def test_a_client_that_does_not_close_keeps_nobody(server: tuple[str, "subprocess.Popen[bytes]"]) -> None:
    """A client that has its answer and does not close its connection does not keep the server."""
    path, _ = server
    with ExitStack() as clients:
        lazy = [clients.enter_context(dial(path)) for _ in range(8)]
        for client in lazy:
            client.sendall(ACTIVATE.encode())
        for client in lazy:
            assert client.recv(1) == b"H"
        with dial(path) as client:
            client.settimeout(PATIENT)
            client.sendall(ACTIVATE.encode())
            assert client.recv(1) == b"H"
