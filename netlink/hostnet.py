"""What the host already uses: routes of every table, addresses, nameservers."""

import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from netlink.dump import attributes, dump
from netlink.errors import kernel_errors

Subnet = IPv4Network | IPv6Network

RTM_GETADDR, RTM_GETROUTE = 22, 26  # linux/rtnetlink.h
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
IFA_ADDRESS, RTA_DST = 1, 1
RTN_MULTICAST = 5
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


class HostNetworks:
    """Reads the network namespace of this process afresh at each call, as VPNs come and go."""

    def __init__(self, resolvers: Sequence[Path] = RESOLVERS) -> None:
        self._resolvers = resolvers

    def in_use(self) -> Sequence[Subnet]:
        """Return the subnets of routes (no default routes) and addresses, and nameservers as /32 or /128.

        Raises:
            KernelError: the kernel refused to list them.
        """
        with kernel_errors("list routes and addresses"):
            return [*_routes(), *_addresses(), *self._nameservers()]

    def _nameservers(self) -> Iterator[Subnet]:
        for path in self._resolvers:
            if path.exists():
                for line in path.read_text(errors="replace").splitlines():
                    yield from _nameserver(line)


def _nameserver(line: str) -> Iterator[Subnet]:
    words = line.split()
    if len(words) >= 2 and words[0] == "nameserver":
        try:
            address = ip_address(words[1].partition("%")[0])
        except ValueError:
            return
        if not address.is_loopback:
            yield ip_network(address)


def _routes() -> Iterator[Subnet]:
    for body in dump(RTM_GETROUTE, _ROUTE.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0)):
        _, length, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
        destination = dict(attributes(body[_ROUTE.size :])).get(RTA_DST)
        if length and destination and kind != RTN_MULTICAST:
            yield ip_network((destination, length))


def _addresses() -> Iterator[Subnet]:
    for body in dump(RTM_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        _, length, _, _, _ = _ADDRESS.unpack_from(body)
        address = dict(attributes(body[_ADDRESS.size :])).get(IFA_ADDRESS)
        if address:
            yield ip_network((address, length), strict=False)
