"""VXLAN by hand: ``send HOST PORT VNI HEX [SOURCE]`` sends a frame to a host, as any program can.

``hear LINK HEX`` prints "ready", and "heard" if the frame comes within a second.
"""

import select
import socket
import sys
import time

ETH_P_ALL = 3  # linux/if_ether.h
IPV6_MTU = 24  # linux/in6.h: what is longer goes in fragments
PATIENCE = 1.0  # seconds


def hear(link: str, frame: str) -> None:
    """Await ``frame``."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.bind((link, 0))
        print("ready", flush=True)
        end = time.monotonic() + PATIENCE
        while (rest := end - time.monotonic()) > 0:
            if select.select([sock], [], [], rest)[0] and sock.recv(2048).startswith(bytes.fromhex(frame)):
                print("heard")
                return


def send(host: str, port: str, vni: str, frame: str, source: str = "") -> None:
    """Send ``frame`` from a plain UDP socket (RFC 7348, section 5)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU, 1280)
        head = b"\x08\0\0\0" + int(vni).to_bytes(3, "big") + b"\0"
        sock.sendto(head + bytes.fromhex(frame), (host, int(port)))


if __name__ == "__main__":
    if sys.argv[1] == "hear":
        hear(*sys.argv[2:])
    else:
        send(*sys.argv[2:])
