"""The relay on the loopback of a namespace of its own."""

import gc
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context, ContextVar

import pytest

from netlink.relay import Relay
from tests.kernel.relayed import PATIENCE, connect, everything, serve

MEGABYTE = 1 << 20
SERVED: ContextVar["Request"] = ContextVar("request")


class Request:
    """What a context variable names while a request is served."""


def add_for(request: Request, relay: Relay, front: socket.socket) -> None:
    """Add a listener while ``request`` is served."""
    SERVED.set(request)
    relay.add((front, serve()))


@pytest.fixture
def relay() -> Iterator[Relay]:
    """Return a relay, closed after the test."""
    relay = Relay()
    yield relay
    relay.close()


@pytest.fixture
def front() -> Iterator[socket.socket]:
    """Return a listening socket on ::1."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        yield listener


def send_all(connection: socket.socket, data: bytes) -> None:
    """Write all, and say that no more comes."""
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def test_a_client_that_is_through_with_writing_gets_its_answer(relay: Relay, front: socket.socket) -> None:
    """A megabyte each way, and the end of one direction does not end the other."""
    relay.add((front, serve()))
    sent = bytes(range(256)) * (MEGABYTE // 256)
    with connect(front) as client:
        writer = threading.Thread(target=send_all, args=[client, sent])
        writer.start()
        assert everything(client) == sent
        writer.join()


def test_a_target_that_refuses_ends_the_connection(relay: Relay, front: socket.socket) -> None:
    """A target that refuses ends the client's connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        target = closed.getsockname()[:2]
    relay.add((front, target))
    with connect(front) as client:
        assert everything(client) == b""


def test_datagrams_of_two_clients_are_kept_apart(relay: Relay) -> None:
    """Datagrams of two clients use separate sockets to the target, and each client gets its own answers."""
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target,
    ):
        front.bind(("::1", 0))
        target.bind(("127.0.0.1", 0))
        relay.add((front, target.getsockname()))
        clients = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2)]
        for number, client in enumerate(clients):
            client.settimeout(PATIENCE)
            client.sendto(b"%d" % number, front.getsockname())
            word, sender = target.recvfrom(99)
            target.sendto(b"to " + word, sender)
        assert [client.recv(99) for client in clients] == [b"to 0", b"to 1"]
        relay.remove(front)
        for client in clients:
            client.close()


def test_a_removed_listener_is_let_go(relay: Relay) -> None:
    """Its connections end with it when its owner closes it, accepted or not; a second removal does nothing."""
    target = serve(200)
    for _ in range(200):  # a connection may be anywhere on its way
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
            relay.add((listener, target))
            client = connect(listener)
            relay.remove(listener)
            relay.remove(listener)
        with client, suppress(ConnectionResetError):
            assert everything(client) == b""


def test_five_hundred_listeners_all_answer(relay: Relay) -> None:
    """Five hundred listeners all answer, served by one thread."""
    target = serve(500)
    fronts = [socket.create_server(("::1", 0), family=socket.AF_INET6) for _ in range(500)]
    for front in fronts:
        relay.add((front, target))
    for front in fronts:
        with connect(front) as client:
            send_all(client, b"here")
            assert everything(client) == b"here"
    assert sum(thread.name == "relay" for thread in threading.enumerate()) == 1
    for front in fronts:
        relay.remove(front)
        front.close()


def test_a_listener_keeps_nothing_of_the_request_that_added_it(relay: Relay, front: socket.socket) -> None:
    """An event loop keeps the context of each callback, and a request's has its body, headers and log values."""
    request = Request()
    known = weakref.ref(request)
    Context().run(add_for, request, relay, front)
    del request
    with connect(front) as client:  # the loop knows the listener
        client.shutdown(socket.SHUT_WR)
        everything(client)

    gc.collect()
    assert known() is None
