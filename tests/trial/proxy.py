"""The way out of a bare machine: an HTTP proxy that listens on its loopback and connects from this machine's network.

So package lists and packages come in, and neither network sees a link, an address or a rule more.
"""

import os
import socket
import socketserver
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.kernel.namespaces import enter_namespace

PORT = 3128
BLOCK = 1 << 16  # bytes


class Proxy:
    """Serves in threads until it is closed."""

    def __init__(self, pid: int) -> None:
        """Listen in the network namespace of a process."""
        self._server = _Server(_listener(pid))
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()


def _listener(pid: int) -> socket.socket:
    made = []

    def make() -> None:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        enter_namespace(namespace)
        os.close(namespace)
        made.append(socket.create_server(("127.0.0.1", PORT), backlog=64))

    thread = threading.Thread(target=make)  # a namespace is a thread's own, and this thread ends here
    thread.start()
    thread.join()
    return made[0]


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Open a tunnel for CONNECT; carry out one request of any other kind, and close."""
        method, target, _ = self.rfile.readline().decode("latin-1").split()
        lines = [line for line in iter(self.rfile.readline, b"\r\n") if line]
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=60) as there:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                _tunnel(self.connection, there)
            return
        url = urlsplit(target)
        kept = [line for line in lines if not line.lower().startswith((b"connection:", b"proxy-"))]
        with socket.create_connection((url.hostname, url.port or 80), timeout=60) as there:
            path = url.path + (f"?{url.query}" if url.query else "")
            there.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(kept) + b"Connection: close\r\n\r\n")
            _pump(there, self.connection)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, *_: object) -> None:
        """Say nothing: the client sees it."""


def _tunnel(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(BLOCK):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
