"""The segment of several guests, outside of them: no frame leaves this process and the emulators."""

import selectors
import socket
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

LOOK = 0.2  # seconds after which the thread looks whether it has to end
PATIENCE = 5.0  # seconds for a guest to take a frame; after that it is lost, as on a real segment


class Hub:
    """Gives every frame of a machine to all others, as a hub does, and keeps it: so it is the capture as well.

    A machine has the other end of a pair of sockets, on which a datagram is a frame, as of qemu's "-netdev dgram".

    Attributes:
        ends: the ends of the machines.
        frames: everything that has passed.
    """

    def __init__(self, machines: int) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(machines)]
        self._ports, self.ends = [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
        self.frames: list[bytes] = []
        self._over = Event()
        self._thread = Thread(target=self._forward, name="hub", daemon=True)
        self._thread.start()

    def _forward(self) -> None:
        with selectors.DefaultSelector() as selector:
            for port in self._ports:
                port.settimeout(PATIENCE)
                selector.register(port, selectors.EVENT_READ, port)
            while not self._over.is_set():
                for key, _ in selector.select(LOOK):
                    self._pass_on(key.data)

    def _pass_on(self, port: socket.socket) -> None:
        frame = port.recv(1 << 16)
        self.frames.append(frame)
        for other in self._ports:
            if other is not port:
                with suppress(OSError):  # the machine has ended, or takes no frames yet
                    other.send(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        for end in (*self._ports, *self.ends):
            end.close()


def nic(end: socket.socket, number: int) -> list[str]:
    """Return the words for qemu that put an Ethernet card on a segment; ``number`` is in its MAC."""
    netdev = f"dgram,id=segment,local.type=fd,local.str={end.fileno()}"
    return ["-netdev", netdev, "-device", f"virtio-net-pci,netdev=segment,mac=02:00:00:00:02:{number:02x},romfile="]
