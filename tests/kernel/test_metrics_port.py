"""The TCP port for Prometheus, on sockets of the kernel."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import pytest

from cli.listen_place import parse_place
from cli.server.metrics_port import CLIENTS, LARGEST, MetricsPort, ServedText

PLACE = "127.0.0.1:9717"
PAGE, LONG = "x" * (1 << 20), "x" * (8 << 20)  # the second is more than the buffers of a connection
Start = Callable[..., MetricsPort]


@pytest.fixture
def start() -> Start:
    """Return what starts a port with three pages; the thread goes with the test's process."""

    def begin(place: str = PLACE, patience: float = 5.0) -> MetricsPort:
        texts = {"/metrics": "a 1\n", "/page": PAGE, "/long": LONG}
        pages = {path: partial(ServedText, 200, text.encode()) for path, text in texts.items()}
        port = MetricsPort(parse_place(place), pages, patience, again=0.1)
        port.start()
        return port

    return begin


def dial(place: str = PLACE) -> socket.socket:
    """Connect."""
    where = parse_place(place)
    return socket.create_connection((str(where.address), where.port), 30)


def asked(request: bytes, place: str = PLACE) -> str:
    """Send a request and return the whole answer."""
    with closing(dial(place)) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(1 << 20), b"")).decode()


@pytest.mark.parametrize("place", [PLACE, "[::1]:9717"])
def test_a_page_is_served(start: Start, place: str) -> None:
    """Prometheus gets a page with its length, in one connection, whatever it asks behind the path."""
    start(place)
    answer = asked(b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", place)

    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.endswith("Content-Length: 4\r\nConnection: close\r\n\r\na 1\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /v1/about HTTP/1.1\r\n\r\n", 404),
        (b"GET http://127.0.0.1/metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xff\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"x" * LARGEST, 431),
    ],
)
def test_everything_else_is_refused(start: Start, request_: bytes, status: int) -> None:
    """Nothing but GET of a page is answered, and each refusal has a sentence."""
    start()
    answer = asked(request_)

    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert answer.partition("\r\n\r\n")[2].endswith("\n")


def test_silent_and_slow_scrapers_keep_nobody_waiting(start: Start) -> None:
    """A scraper that sends nothing, one that sends half and one that reads nothing cost others nothing."""
    start()
    slow = [dial() for _ in range(3)]
    slow[1].sendall(b"GET /metr")
    slow[2].sendall(b"GET /long HTTP/1.1\r\n\r\n")

    assert "a 1" in asked(b"GET /metrics HTTP/1.1\r\n\r\n")
    for sock in slow:
        sock.close()
    assert asked(b"GET /long HTTP/1.1\r\n\r\n").endswith(LONG)


def test_many_at_once_get_whole_pages(start: Start) -> None:
    """More scrapers than there is room for wait for their turn, and nobody's page is cut."""
    start(patience=30.0)
    with ThreadPoolExecutor(3 * CLIENTS) as pool:
        answers = list(pool.map(asked, [b"GET /page HTTP/1.1\r\n\r\n"] * 3 * CLIENTS))

    assert [len(answer.partition("\r\n\r\n")[2]) for answer in answers] == [len(PAGE)] * 3 * CLIENTS


def test_who_stands_still_makes_room(start: Start) -> None:
    """However many connect and say nothing, the next one is served."""
    start(patience=30.0)
    silent = [dial() for _ in range(2 * CLIENTS)]

    assert "a 1" in asked(b"GET /metrics HTTP/1.1\r\n\r\n")
    for sock in silent:
        sock.close()


def test_a_scraper_has_a_limited_time(start: Start) -> None:
    """A connection is closed when its time is over, however busily it sends."""
    start(patience=0.3)
    with closing(dial()) as sock:
        assert sock.recv(1) == b""


def test_a_port_that_is_taken_is_tried_again(start: Start) -> None:
    """A taken port is a sentence, and it is served as soon as it is free."""
    with closing(socket.create_server(("127.0.0.1", 9717))):
        port = start()
        assert port.problem == f"listen on '{PLACE}' for metrics: address already in use"
    until = time.monotonic() + 20
    while port.problem and time.monotonic() < until:
        time.sleep(0.02)

    assert "a 1" in asked(b"GET /metrics HTTP/1.1\r\n\r\n")
