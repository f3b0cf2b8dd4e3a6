"""Routes of the host: which networks it uses already, and where it would send a packet.

Listings are read without pyroute2, which takes about 60 µs for each of a host's routes, and every new network asks for
all of them.
"""

import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import chain
from pathlib import Path
from types import TracebackType

from netlink import uapi
from netlink.arrivals import Arrivals
from netlink.deadline import remaining
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.ip import FAMILIES, FAMILY, Address, Subnet
from netlink.request import PATIENCE
from netlink.wire import attribute, attributes, error_number, message, messages, number, word

Prefix = tuple[bytes, int]  # an address as packets carry it, and the length of its prefix
Range = tuple[int, int, int]  # bytes of an address, first and last address as numbers

RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))  # resolv.conf(5)
INTERNET = (IPv4Address("198.41.0.4"), IPv6Address("2001:503:ba3e::2:30"))  # a.root-servers.net, in nobody's own subnet
_TYPE = 7  # where the type of a route is in struct rtmsg


class HostNetworks:
    """The network namespace that this process lives in. Implements ``plugin.interfaces.HostNetworks``."""

    def __init__(self, resolvers: Sequence[Path] = RESOLVERS) -> None:
        self._resolvers = resolvers
        self._arrivals = Arrivals()

    def in_use(self, within: Collection[Subnet] | None = None) -> Sequence[Subnet]:
        """Return the host's routes of all tables, its addresses' networks and its nameservers, each once.

        Default routes are left out, also in halves (0.0.0.0/1 and 128.0.0.0/1), as some VPN clients set them. With
        ``within`` only networks that overlap one of these are returned: a router has a million routes that keep no pool
        away.

        Raises:
            KernelError: the kernel refused.
        """
        versions = {network.version for network in within} if within is not None else set()
        family = FAMILY[versions.pop()] if len(versions) == 1 else socket.AF_UNSPEC
        with kernel_errors("list routes and addresses"):
            used = [*_routes(_route_bodies(family)), *_addresses(_address_bodies(family))]
        return self._selected(used, within)

    def new_in_use(self, within: Collection[Subnet]) -> Sequence[Subnet] | None:
        """Return what came since the last call, besides the nameservers; None if ``in_use`` must be asked instead.

        What went in the meantime is not said: IPv4 routes go silently with their link.

        Raises:
            KernelError: the kernel refused.
        """
        came = self._arrivals.take()
        if came is None:
            return None
        routes = _routes(body for kind, body in came if kind == uapi.RTM_NEWROUTE)
        addresses = _addresses(body for kind, body in came if kind == uapi.RTM_NEWADDR)
        return self._selected([*routes, *addresses], within)

    def has(self, address: Address) -> bool:
        """Return whether packets to ``address`` are for the host itself; raises ``KernelError``."""
        with kernel_errors(f"look up {address}"), RouteLookup() as routes:
            return routes.is_local(address.packed)

    def close(self) -> None:
        """Stop listening for new ones."""
        self._arrivals.close()

    def _selected(self, used: Iterable[Prefix], within: Collection[Subnet] | None) -> Sequence[Subnet]:
        several = (prefix for prefix in used if prefix[1] > 1)
        single = ((address.packed, address.max_prefixlen) for address in nameservers(self._resolvers))
        return list(set(select(chain(several, single), within)))


class RouteLookup:
    """Asks the kernel where it would send a packet (``ip route get``), by one socket for many questions.

    The doctor asks several times for each container: 0.05 ms a question, with pyroute2 1.2 (two cores).
    """

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._known: dict[bytes, bool] = {}

    def __enter__(self) -> "RouteLookup":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def is_local(self, address: bytes) -> bool:
        """Return whether packets to ``address`` (packed) are for the host, as nft's ``fib daddr type local`` does.

        Each address is asked for once.

        Raises:
            OSError: the kernel does not answer.
        """
        if address not in self._known:
            found = self._route(address)
            self._known[address] = not isinstance(found, int) and found[_TYPE] == uapi.RTN_LOCAL
        return self._known[address]

    def route_to(self, address: bytes) -> bytes:
        """Return the body of the kernel's answer about packets to ``address`` (packed); raises as ``link_towards``."""
        return self._found(self._route(address))

    def link_towards(self, address: bytes, source: bytes = b"", link: int = 0) -> int:
        """Return the index of the link by which the host sends packets to ``address`` (packed); its own go by lo.

        With ``source`` and ``link`` the packet comes from there, by the link with that index.

        Raises:
            OSError: there is no route, or one that drops; or the kernel does not answer.
        """
        found = self._found(self._route(address, source, link))
        return number(dict(attributes(found[uapi.RTMSG.size :])).get(uapi.RTA_OIF, b""))

    @staticmethod
    def _found(answer: bytes | int) -> bytes:
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        return answer

    def _route(self, address: bytes, source: bytes = b"", link: int = 0) -> bytes | int:
        """Return the route as the kernel describes it, or the errno that packets meet."""
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        asked = uapi.RTMSG.pack(family, len(address) * 8, len(source) * 8, 0, 0, 0, 0, 0, 0)
        asked += attribute(uapi.RTA_DST, address) + (attribute(uapi.RTA_SRC, source) if source else b"")
        self._sock.settimeout(remaining(PATIENCE))
        self._sock.send(message(uapi.RTM_GETROUTE, 0, asked + (word(uapi.RTA_IIF, link) if link else b"")))
        while True:
            for kind, _, body in messages(self._sock.recv(1 << 16)):
                if kind == uapi.RTM_NEWROUTE:
                    return body
                if kind == uapi.NLMSG_ERROR:
                    return error_number(body)


def ipv6_default_routes() -> list[tuple[str, bool]]:
    """Return (link, whether a router advertised it) of each IPv6 default route; raises ``KernelError``."""
    with kernel_errors("list IPv6 default routes"):
        names = dict(socket.if_nameindex())
        bodies = [body for body in _route_bodies(socket.AF_INET6) if not body[1]]
    found = []
    for body in bodies:
        index = number(dict(attributes(body[uapi.RTMSG.size :])).get(uapi.RTA_OIF, b""))
        if body[0] == socket.AF_INET6 and body[_TYPE] == uapi.RTN_UNICAST and index in names:
            found.append((names[index], body[5] == uapi.RTPROT_RA))
    return found


def uplinks() -> set[str]:
    """Return the names of the links by which the host sends to the internet, in IPv4 and in IPv6; none without a route.

    Two questions, however many routes the host has. Nothing is sent.
    """
    found = set()
    with RouteLookup() as routes:
        for address in INTERNET:
            with suppress(OSError):
                found.add(socket.if_indextoname(routes.link_towards(address.packed)))
    return found


def select(prefixes: Iterable[Prefix], within: Collection[Subnet] | None) -> Iterator[Subnet]:
    """Yield the networks that overlap one of ``within``; only these cost more than a comparison."""
    ranges = (
        None if within is None else [_range(network.network_address.packed, network.prefixlen) for network in within]
    )
    for packed, length in prefixes:
        if ranges is None or _meets(_range(packed, length), ranges):
            kind = IPv4Network if len(packed) == 4 else IPv6Network
            yield kind((int.from_bytes(packed, "big"), length), strict=False)


def _range(packed: bytes, length: int) -> Range:
    rest = (1 << (len(packed) * 8 - length)) - 1
    address = int.from_bytes(packed, "big")
    return len(packed), address & ~rest, address | rest


def _meets(one: Range, ranges: Iterable[Range]) -> bool:
    return any(one[0] == size and one[1] <= last and first <= one[2] for size, first, last in ranges)


def _route_bodies(family: int) -> list[bytes]:
    return dump(uapi.RTM_GETROUTE, bytes([family]).ljust(uapi.RTMSG.size, b"\0"))


def _address_bodies(family: int) -> list[bytes]:
    return dump(uapi.RTM_GETADDR, bytes([family]).ljust(uapi.IFADDRMSG.size, b"\0"))


def _routes(bodies: Iterable[bytes]) -> Iterator[Prefix]:
    for body in bodies:
        found, length, kind = body[0], body[1], body[_TYPE]
        if found not in FAMILIES or kind == uapi.RTN_MULTICAST or number(body[8:12]) & uapi.RTM_F_CLONED:
            continue
        for attribute_type, value in attributes(body[uapi.RTMSG.size :]):
            if attribute_type == uapi.RTA_DST:
                yield value, length
                break


def _addresses(bodies: Iterable[bytes]) -> Iterator[Prefix]:
    for body in bodies:
        if body[0] not in FAMILIES:
            continue
        for kind, value in attributes(body[uapi.IFADDRMSG.size :]):
            if kind == uapi.IFA_ADDRESS:  # of a point-to-point link this is the peer
                yield value, body[1]
            elif kind == uapi.IFA_LOCAL:
                yield value, len(value) * 8


def server_words(text: str) -> list[str]:
    """Return the nameservers of a resolv.conf file, as they are written there."""
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def nameservers(files: Iterable[Path]) -> Iterator[Address]:
    """Yield the nameservers of resolv.conf files, without loopback ones; a file may be missing."""
    for file in files:
        try:
            text = file.read_text(errors="replace")
        except OSError:
            continue
        for written in server_words(text):
            yield from _single(written)


def _single(text: str) -> Iterator[Address]:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return
    if not address.is_loopback:
        yield address
