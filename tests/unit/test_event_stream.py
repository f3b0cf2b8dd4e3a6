"""The connection that brings events lets an engine stop."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.engine.event_stream import EventStream

EVENTS = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
PONG = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


class Engine:
    """An engine that accepts the stream of events and idle connections, until it stops."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.streams: list[socket.socket] = []
        self.idle: list[socket.socket] = []
        self.answer = EVENTS
        self.accepted = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            stream = b"/events" in peer.recv(4096)
            (self.streams if stream else self.idle).append(peer)
            peer.sendall(self.answer if stream else PONG)
            self.accepted.release()

    def stop(self) -> None:
        """Close the socket and idle connections, and wait for the others."""
        with suppress(OSError):  # a second time
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for peer in self.idle:
            peer.close()

    def tell_after_next(self, line: bytes) -> None:
        """Report an event when the next connection has been answered."""
        self.accepted.acquire()
        self.streams[0].sendall(line)

    def close(self) -> None:
        self.stop()
        for peer in self.streams:
            peer.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path / "docker.sock")
    yield found
    found.close()


def test_lines_come_as_they_are_written(engine: Engine) -> None:
    """Also two at once, and one in parts; the end of the connection is the end of the lines."""
    lines = iter(EventStream(engine.path, ""))
    engine.streams[0].sendall(b"one\ntw")
    assert next(lines) == b"one"
    engine.streams[0].sendall(b"o\nthree\n")
    assert [next(lines), next(lines)] == [b"two", b"three"]
    engine.streams[0].shutdown(socket.SHUT_RDWR)
    assert list(lines) == []


def test_an_engine_that_stops_is_let_go(engine: Engine) -> None:
    """It has closed its socket and the idle connection, and waits for the stream alone."""
    stream = EventStream(engine.path, "")
    engine.stop()
    assert list(stream) == []
    assert engine.streams[0].recv(1) == b""


def test_an_engine_that_closes_idle_connections_keeps_the_stream(engine: Engine) -> None:
    """It does so now and then while it serves; the next one takes the place of the old one."""
    lines = iter(EventStream(engine.path, ""))
    engine.streams[0].sendall(b"one\n")
    assert next(lines) == b"one"
    for _ in range(2):
        engine.accepted.acquire()
    threading.Timer(0.05, engine.idle[0].close).start()
    teller = threading.Thread(target=engine.tell_after_next, args=(b"two\n",))
    teller.start()
    assert next(lines) == b"two"
    teller.join()
    assert len(engine.idle) == 2
    engine.streams[0].shutdown(socket.SHUT_RDWR)
    assert list(lines) == []


def test_another_thread_may_end_it(engine: Engine) -> None:
    """A process that ends does not wait for the next event; a stream that nobody reads is closed at once."""
    stream = EventStream(engine.path, "")
    threading.Timer(0.05, stream.close).start()
    assert list(stream) == []
    EventStream(engine.path, "").close()
    assert engine.streams[1].recv(1) == b""


def test_a_refusal_is_an_error(engine: Engine) -> None:
    """An engine that does not serve yet may answer with another status, or with none."""
    engine.answer = b"HTTP/1.0 503 Service Unavailable\r\n\r\n"
    with pytest.raises(ValueError, match="503"):
        EventStream(engine.path, "")
