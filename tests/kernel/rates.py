"""A connection between two containers that is always busy, and how many bytes of it come in."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from tests.kernel.container import Container
from tests.kernel.namespaces import enter_namespace

T = TypeVar("T")
MBIT = 125_000  # bytes a second
CHUNK = bytes(1 << 18)


def inside(container: Container, call: Callable[[], T]) -> T:
    """Run ``call`` in the container's network namespace; a socket that it opens stays there."""

    def there() -> T:
        descriptor = os.open(f"/proc/{container.pid}/ns/net", os.O_RDONLY)
        enter_namespace(descriptor)
        os.close(descriptor)
        return call()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result()


@contextmanager
def stream(sender: Container, receiver: Container, address: str) -> Iterator[socket.socket]:
    """Send without end to ``address``; the block gets the receiving end of the connection."""
    server = inside(receiver, lambda: socket.create_server((address, 7000)))
    client = inside(sender, lambda: socket.create_connection((address, 7000), 5))

    def pump() -> None:
        with suppress(OSError):
            while True:
                client.sendall(CHUNK)

    thread = threading.Thread(target=pump, daemon=True)
    with server, client, server.accept()[0] as connection:
        connection.settimeout(5)
        thread.start()
        try:
            yield connection
        finally:
            client.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def received(connection: socket.socket, seconds: float) -> int:
    """Return how many bytes come in that time."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        count += len(connection.recv(1 << 20))
    return count


def rates(connection: socket.socket, windows: int = 3, seconds: float = 0.4) -> list[float]:
    """Return the bytes a second that come in each of some windows, after a pause for the burst to pass."""
    received(connection, 0.3)
    return [received(connection, seconds) / seconds for _ in range(windows)]
