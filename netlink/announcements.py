"""Tells machines on a link that an address is at another MAC by now.

Linux takes a gratuitous ARP (RFC 5227, section 3) and an unsolicited advertisement with the flag "override" (RFC 4861,
section 7.2.6) only for addresses that it has asked for before, so nobody learns more than it wants to know.
"""

import socket
import struct
from collections.abc import Iterable

from netlink.dhcp_link import TO_ALL, checksum
from netlink.errors import kernel_errors
from netlink.headers import ETHER_ARP, ETHER_IPV6
from netlink.ip import Address
from netlink.request import mac_bytes

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REQUEST = (1, 0x0800, 6, 4, 1)  # for IPv4 on Ethernet (RFC 826)
_ADVERTISEMENT, _OVERRIDE = 136, 0x20000000  # RFC 4861, section 4.4
_ALL_NODES, _ALL_NODES_MAC = socket.inet_pton(socket.AF_INET6, "ff02::1"), "33:33:00:00:00:01"


def announce(link: str, mac: str, addresses: Iterable[Address]) -> None:
    """Send a frame for each address by ``link``.

    Raises:
        KernelError: ``Missing`` without the link; it is down.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with kernel_errors(f"announce addresses on link '{link}'"), socket.socket(socket.AF_PACKET, kind, 0) as sock:
        sock.bind((link, 0))
        for address in addresses:
            sock.send(frame(mac_bytes(mac), address))


def frame(mac: bytes, address: Address) -> bytes:
    """Return the frame that says that ``address`` is at ``mac``."""
    own = address.packed
    if address.version == 4:
        return (
            mac_bytes(TO_ALL) + mac + ETHER_ARP.to_bytes(2, "big") + _ARP.pack(*_ARP_REQUEST, mac, own, bytes(6), own)
        )
    option = bytes([2, 1]) + mac  # target link-layer address, of one unit of eight bytes
    body = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + own + option
    pseudo = own + _ALL_NODES + struct.pack("!II", len(body), socket.IPPROTO_ICMPV6)
    body = body[:2] + checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(body), socket.IPPROTO_ICMPV6, 255)
    return mac_bytes(_ALL_NODES_MAC) + mac + ETHER_IPV6.to_bytes(2, "big") + head + own + _ALL_NODES + body
