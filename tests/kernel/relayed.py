"""Both sides of a relay: clients, and servers on the loopback."""

import socket
import threading
from contextlib import ExitStack, suppress

from netlink.relay import Relay
from netlink.relay_limits import Limits

PATIENCE = 5.0  # seconds
MOMENT = 0.3  # seconds in which what must not come would have come


def serve(connections: int = 1) -> tuple[str, int]:
    """Serve some connections on 127.0.0.1: read to the end, then answer with what was read."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def echo() -> None:
        with server:
            for _ in range(connections):
                with server.accept()[0] as connection:
                    connection.sendall(everything(connection))

    threading.Thread(target=echo, daemon=True).start()
    host, port = server.getsockname()[:2]
    return str(host), int(port)


def connect(front: socket.socket, source: str = "") -> socket.socket:
    """Connect to the relay's end, from an address of choice."""
    return socket.create_connection(front.getsockname()[:2], PATIENCE, (source, 0) if source else None)


def everything(connection: socket.socket) -> bytes:
    """Read until the other end is through."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def answers(connection: socket.socket, patience: float = PATIENCE) -> bool:
    """Say whether an echo comes back."""
    connection.settimeout(patience)
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b"x"
    except TimeoutError:
        return False


def broken_off(connection: socket.socket) -> bool:
    """Say whether the relay has ended the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def refused(front: socket.socket, source: str) -> bool:
    """Say whether the relay resets a new connection; the client may hear of it while it still connects."""
    try:
        with connect(front, source) as connection:
            connection.recv(1)
    except ConnectionResetError:
        return True
    return False


class Echo:
    """A target that keeps its connections, and echoes what comes as it comes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self._server.getsockname()
        self.connections: list[socket.socket] = []
        self.over = threading.Event()  # one of them has ended
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._server.accept()
                self.connections.append(connection)
                threading.Thread(target=self._echo, args=[connection], daemon=True).start()
        except OSError:
            return  # closed

    def _echo(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while data := connection.recv(1 << 16):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        self.over.set()

    def close(self) -> None:
        """End it and its connections."""
        self._server.shutdown(socket.SHUT_RDWR)
        for sock in (self._server, *self.connections):
            sock.close()


class Stage:
    """What a test opens, and closes after it."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.echo = Echo()
        self._open.callback(self.echo.close)

    def relay(self, limits: Limits) -> Relay:
        """Return a relay with such limits."""
        relay = Relay(limits)
        self._open.callback(relay.close)
        return relay

    def front(self, relay: Relay, target: tuple[str, int] | None = None) -> socket.socket:
        """Return a listening socket whose connections go to ``target``, or to the echo."""
        front = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        relay.add((front, target or self.echo.address))
        return front

    def client(self, front: socket.socket, source: str = "") -> socket.socket:
        """Return a new connection to ``front``."""
        return self._open.enter_context(connect(front, source))

    def datagrams(self, address: str = "127.0.0.1") -> socket.socket:
        """Return a bound UDP socket."""
        sock = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind((address, 0))
        sock.settimeout(PATIENCE)
        return sock

    def close(self) -> None:
        """Close all, the last first."""
        self._open.close()
