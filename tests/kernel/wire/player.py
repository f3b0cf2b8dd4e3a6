"""The process in a namespace that sends or hears frames; a script, so that it starts fast.

``send LINK`` sends the frames that it reads, one in hexadecimal a line. ``hear NAME:LINK[:TYPE...] ...`` prints
"ready", and a line of NAME and the frame for every one that comes in on LINK, until its input ends and it hears no
more. With EtherTypes it hears what the stack of the link itself gets, and not what goes on to the link's bridge.
"""

import selectors
import socket
import sys
import time

ETH_P_ALL = 3  # linux/if_ether.h
SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS = 33, 263, 6  # asm-generic/socket.h, linux/if_packet.h
ROOM = 64 << 20  # bytes
BURST, PAUSE = 50, 0.001  # frames, and seconds after them, so that no queue of the kernel overflows
QUIET = 0.2  # seconds in which what was sent before has arrived


def send(link: str) -> None:
    """Send what stands on standard input."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((link, 0))
        for number, line in enumerate(sys.stdin):
            sock.send(bytes.fromhex(line))
            if number % BURST == BURST - 1:
                time.sleep(PAUSE)


def listen(link: str, kind: int) -> socket.socket:
    """Return a socket that hears one EtherType of a link, or all."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    sock.bind((link, kind))
    return sock


def hear(wanted: list[str]) -> None:
    """Print what arrives, and fail if anything was lost."""
    chosen = selectors.DefaultSelector()
    for name, link, *kinds in (words.split(":") for words in wanted):
        for kind in map(int, kinds or [str(ETH_P_ALL)]):
            chosen.register(listen(link, kind), selectors.EVENT_READ, name)
    chosen.register(sys.stdin, selectors.EVENT_READ, "")
    print("ready", flush=True)
    patience: float | None = None
    while ready := chosen.select(patience):
        for key, _ in ready:
            if key.fileobj is sys.stdin:
                chosen.unregister(sys.stdin)
                patience = QUIET
                continue
            assert isinstance(key.fileobj, socket.socket)
            frame, origin = key.fileobj.recvfrom(4096)
            if origin[2] != socket.PACKET_OUTGOING:
                print(key.data, frame.hex(), flush=True)
    for key in chosen.get_map().values():
        assert isinstance(key.fileobj, socket.socket)
        lost = key.fileobj.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)[4:]
        assert not int.from_bytes(lost, sys.byteorder), f"'{key.data}' lost frames"


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2])
    else:
        hear(sys.argv[2:])
