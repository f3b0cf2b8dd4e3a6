"""``send HEX ...`` sends IP packets; ``hear LINK`` prints "ready", then each mark that arrives, until stdin ends."""

import re
import select
import socket
import sys

ETH_P_ALL = 3  # linux/if_ether.h
IPV6_HDRINCL = 36  # linux/in6.h
MARK = re.compile(rb"<[\w -]+>")


def send(packet: bytes) -> None:
    """Send one IP packet, header and all, to the address in it."""
    four = packet[0] >> 4 == 4
    target = socket.inet_ntop(*((socket.AF_INET, packet[16:20]) if four else (socket.AF_INET6, packet[24:40])))
    with socket.socket(socket.AF_INET if four else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.sendto(packet, (target, 0))


def hear(link: str) -> None:
    """Print the marks in what arrives at ``link``."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sock:
        sock.bind((link, 0))
        print("ready", flush=True)
        while True:
            ready = select.select([sock, sys.stdin], [], [])[0]
            if sock in ready:
                frame, address = sock.recvfrom(2048)
                if address[2] != socket.PACKET_OUTGOING:
                    print(*(mark.decode()[1:-1] for mark in MARK.findall(frame)), sep="\n", flush=True)
            elif sys.stdin in ready:
                return


if __name__ == "__main__":
    if sys.argv[1] == "hear":
        hear(sys.argv[2])
    else:
        for word in sys.argv[2:]:
            send(bytes.fromhex(word))
