"""``send HEX ...`` sends IP packets; ``hear LINK`` prints "ready", then each mark that arrives, until stdin ends."""

import re
import select
import socket
import struct
import sys
from ipaddress import ip_address

ETH_P_ALL = 3  # linux/if_ether.h
IPV6_HDRINCL = 36  # linux/in6.h
SCRIPT = __file__
UDP, ICMP, ICMPV6 = 17, 1, 58
MARK = re.compile(rb"<[\w -]+>")


def checksum(data: bytes) -> int:
    """RFC 1071."""
    even = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(even) // 2}H", even))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def packet(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """Return an IP packet."""
    ends = ip_address(source).packed + ip_address(target).packed
    if ":" in source:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol)
    return head + struct.pack("!H", checksum(head + b"\0\0" + ends)) + ends + payload


def pseudo(source: str, target: str, protocol: int, length: int) -> bytes:
    """Return the pseudo header of RFC 8200, section 8.1."""
    return ip_address(source).packed + ip_address(target).packed + struct.pack("!II", length, protocol)


def udp(source: tuple[str, int], target: tuple[str, int], payload: str) -> bytes:
    """Return a datagram; in IPv4 without a checksum."""
    body = payload.encode()
    head = struct.pack("!HHHH", source[1], target[1], 8 + len(body), 0)
    total = checksum(pseudo(source[0], target[0], UDP, 8 + len(body)) + head + body) if ":" in source[0] else 0
    return packet(source[0], target[0], UDP, head[:6] + struct.pack("!H", total) + body)


def unreachable(source: str, target: str, about: bytes) -> bytes:
    """Return an ICMP error, "host unreachable", that carries ``about``."""
    six = ":" in source
    kind, body = bytes((1, 3) if six else (3, 1)), bytes(4) + about  # RFC 4443, RFC 792
    head = pseudo(source, target, ICMPV6, 4 + len(body)) if six else b""
    total = checksum(head + kind + b"\0\0" + body)
    return packet(source, target, ICMPV6 if six else ICMP, kind + struct.pack("!H", total) + body)


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
