"""One UDP datagram in a frame made by hand: ``send LINK TO-MAC FROM-MAC FROM-IP TO-IP``, and ``hear LINK``.

``hear`` says "ready", ends with 0 when such a frame comes within a second, and with 1 otherwise.
"""

import socket
import struct
import sys

PORT, ETH_P_ALL = 9, 3
LISTEN = 1.0  # seconds


def checksum(data: bytes) -> int:
    """Return the checksum of an IPv4 header."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def frame(to: str, sender: str, source: str, target: str) -> bytes:
    """Return Ethernet, IPv4, UDP without checksum, and a word."""
    udp = struct.pack(">HHHH", PORT, PORT, 13, 0) + b"hello"
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    head += socket.inet_aton(source) + socket.inet_aton(target)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return bytes.fromhex(to.replace(":", "") + sender.replace(":", "")) + b"\x08\x00" + head + udp


def hear(raw: socket.socket) -> int:
    """Wait for such a frame."""
    raw.settimeout(LISTEN)
    print("ready", flush=True)
    try:
        while b"hello" not in raw.recv(2048):
            continue
    except TimeoutError:
        return 1
    return 0


def main(verb: str, link: str, *rest: str) -> int:
    """Do what the command line says."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as raw:
        raw.bind((link, ETH_P_ALL))
        if verb == "hear":
            return hear(raw)
        raw.send(frame(*rest))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
