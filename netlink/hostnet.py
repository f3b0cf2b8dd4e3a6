"""What the host already uses: routes, addresses and nameservers.

A lean dump, for the reason of ``netlink.dump``: pyroute2 takes about 60 µs for each of a host's routes, and every new
network asks for all of them. Layout: ``struct rtmsg`` (linux/rtnetlink.h), ``struct ifaddrmsg`` (linux/if_addr.h).
"""

import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import chain
from pathlib import Path

from netlink.dump import FAMILIES, dump
from netlink.errors import kernel_errors
from netlink.wire import attributes, number

Network = IPv4Network | IPv6Network
Place = tuple[bytes, int]  # an address as packets carry it, and the length of its prefix
Range = tuple[int, int, int]  # bytes of an address, first and last address as numbers

ROUTE_BODY, ADDRESS_BODY = 12, 8  # bytes of struct rtmsg and struct ifaddrmsg; both begin with family and prefix length
RTM_GETADDR, RTM_GETROUTE = 22, 26
RTN_UNICAST, RTN_MULTICAST, RTPROT_RA = 1, 5, 9
RTM_F_CLONED = 0x200  # an entry of the route cache
RTA_DST, RTA_OIF, IFA_ADDRESS, IFA_LOCAL = 1, 4, 1, 2
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


class HostNetworks:
    """The network namespace that this process lives in. Implements ``plugin.interfaces.HostNetworks``."""

    def __init__(self, resolvers: Sequence[Path] = RESOLVERS) -> None:
        self._resolvers = resolvers

    def in_use(self, within: Collection[Network] | None = None) -> Sequence[Network]:
        """Return the host's routes of all tables, its addresses' networks and its nameservers, each once.

        Default routes are left out, also in halves (0.0.0.0/1 and 128.0.0.0/1), as some VPN clients set them. So is
        what overlaps none of ``within``, if that is given: a router has a million routes that keep no pool away.

        Raises:
            KernelError: the kernel refused.
        """
        versions = {network.version for network in within} if within is not None else set()
        family = _FAMILY[versions.pop()] if len(versions) == 1 else socket.AF_UNSPEC
        with kernel_errors("list routes and addresses"):
            used = [place for place in chain(_routes(family), _addresses(family)) if place[1] > 1]
        return list(set(select(chain(used, nameservers(self._resolvers)), within)))


def ipv6_default_routes() -> list[tuple[str, bool]]:
    """Return (link, whether a router advertised it) of each IPv6 default route; raises ``KernelError``."""
    with kernel_errors("list IPv6 default routes"):
        names = dict(socket.if_nameindex())
        bodies = [body for body in dump(RTM_GETROUTE, bytes([socket.AF_INET6]) + bytes(ROUTE_BODY - 1)) if not body[1]]
    found = []
    for body in bodies:
        index = number(dict(attributes(body[ROUTE_BODY:])).get(RTA_OIF, b""))
        if body[0] == socket.AF_INET6 and body[7] == RTN_UNICAST and index in names:
            found.append((names[index], body[5] == RTPROT_RA))
    return found


def select(places: Iterable[Place], within: Collection[Network] | None) -> Iterator[Network]:
    """Yield the networks of ``places`` that overlap one of ``within``; only these cost more than a comparison."""
    ranges = (
        None if within is None else [_range(network.network_address.packed, network.prefixlen) for network in within]
    )
    for packed, length in places:
        if ranges is None or _meets(_range(packed, length), ranges):
            yield _network(packed, length)


def nameservers(files: Iterable[Path]) -> Iterator[Place]:
    """Yield the nameservers of resolv.conf files, without loopback ones; a file may be missing."""
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for words in (line.split() for line in lines):
            if len(words) > 1 and words[0] == "nameserver":
                yield from _single(words[1])


def _single(text: str) -> Iterator[Place]:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return
    if not address.is_loopback:
        yield address.packed, address.max_prefixlen


def _range(packed: bytes, length: int) -> Range:
    rest = (1 << (len(packed) * 8 - length)) - 1
    address = int.from_bytes(packed, "big")
    return len(packed), address & ~rest, address | rest


def _meets(one: Range, ranges: Iterable[Range]) -> bool:
    return any(one[0] == size and one[1] <= last and first <= one[2] for size, first, last in ranges)


def _network(packed: bytes, length: int) -> Network:
    kind = IPv4Network if len(packed) == 4 else IPv6Network
    return kind((int.from_bytes(packed, "big"), length), strict=False)


def _routes(family: int) -> Iterator[Place]:
    for body in dump(RTM_GETROUTE, bytes([family]).ljust(ROUTE_BODY, b"\0")):
        found, length, kind = body[0], body[1], body[7]
        if found not in FAMILIES or kind == RTN_MULTICAST or number(body[8:12]) & RTM_F_CLONED:
            continue
        for attribute, value in attributes(body[ROUTE_BODY:]):
            if attribute == RTA_DST:
                yield value, length
                break


def _addresses(family: int) -> Iterator[Place]:
    for body in dump(RTM_GETADDR, bytes([family]).ljust(ADDRESS_BODY, b"\0")):
        if body[0] not in FAMILIES:
            continue
        for attribute, value in attributes(body[ADDRESS_BODY:]):
            if attribute == IFA_ADDRESS:  # of a point-to-point link this is the peer
                yield value, body[1]
            elif attribute == IFA_LOCAL:
                yield value, len(value) * 8
