"""Routes of the host to single addresses of a link on which it has no address itself, as on a child of its own uplink.

Such a route names the host's address that packets get, and the MAC that is behind the link. Without the MAC the kernel
would ask for it in a broadcast that names the host's address and the link's MAC, and every machine of the LAN that
knows the host would send to that MAC from then on (RFC 826, "Packet Reception").

The kernel answers on any link who asks for an IPv4 address of the host. For IPv6 it needs an entry as a proxy, from
which it answers without the flag that overrides the answer of the link that has the address (RFC 4861 section 7.2.8).
"""

import errno
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface

from netlink import uapi
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.ip import FAMILIES, FAMILY, Address, InterfaceAddress
from netlink.own_changes import GONE, OwnChanges
from netlink.request import NEW, Requests, link_index, look, mac_bytes
from netlink.values import dataclass
from netlink.wire import attribute, attributes, check, message, number, word

PROTOCOL = 0x50  # tells our routes from others (RTM_NEWROUTE, rtm_protocol); /etc/iproute2/rt_protos has no such number
_GONE = frozenset({0, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
_UNUSABLE = uapi.IFA_F_TENTATIVE | uapi.IFA_F_DADFAILED | uapi.IFA_F_DEPRECATED


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A route to the address ``to``, for packets from ``source``, with the MAC behind it.

    With ``mac`` "" the kernel asks for it, as among links that share one MAC. In a listing, ``source`` None and ``mac``
    "" are parts that the kernel lacks.
    """

    to: Address
    source: Address | None
    mac: str


class NeighbourRoutes:
    """Verbs on such routes, which may raise ``KernelError``."""

    def __init__(self, requests: Requests, changes: OwnChanges) -> None:
        self._requests = requests
        self._changes = changes

    def set_host_route(self, link: str, route: HostRoute) -> None:
        """``ip route add TO dev LINK src SOURCE``, ``ip neigh replace TO lladdr MAC dev LINK nud permanent``.

        An older route of pynet by the link is replaced. In IPv6 the link answers for ``source`` from then on.

        Raises:
            Exists: somebody else has a route to the address.
            Missing: there is no such link.
        """
        action = f"add route to {route.to} by '{link}'"
        index = link_index(link, action)
        with kernel_errors(action):
            self._requests.send_each(*_neighbours(index, route))
            [code] = self._requests.send_all([_new_route(index, route)])
            if code == errno.EEXIST:
                self._changes.record(GONE, gone(route.to.packed))
                first, code = self._requests.send_all([_delete_route(index, route.to), _new_route(index, route)])
                check(0 if first in _GONE else first)
            check(code)

    def delete_host_route(self, link: str, to: Address) -> None:
        """Delete the route of ``set_host_route`` and the MAC; what is gone already is passed over.

        Raises:
            Missing: there is no such link.
        """
        action = f"delete route to {to} by '{link}'"
        index = link_index(link, action)
        with kernel_errors(action):
            self._changes.record(GONE, gone(to.packed))
            codes = self._requests.send_all([_delete_route(index, to), _delete_neighbour(index, to)])
            for code in codes:
                check(0 if code in _GONE else code)

    def host_routes(self, link: str) -> list[HostRoute]:
        """Return pynet's routes by a link, with the parts that are left of each; raises ``Missing`` without it."""
        action = f"list routes by '{link}'"
        index = link_index(link, action)
        with kernel_errors(action):
            sources, macs, answered = routes_by(index), _macs(index), _answered(index)
        found = []
        for to in sources.keys() | macs.keys():
            source = sources.get(to)
            whole = source is None or source.version == 4 or source in answered
            found.append(HostRoute(to, source if whole else None, macs.get(to, "")))
        return sorted(found, key=lambda route: (route.to.version, route.to))

    def end_answers(self, link: str) -> None:
        """Stop answering for IPv6 addresses that are the source of no route by ``link`` any more."""
        action = f"stop answering on '{link}'"
        index = link_index(link, action)
        with kernel_errors(action):
            left = _answered(index) - {source for source in routes_by(index).values() if source}
            for code in self._requests.send_all([_answer(uapi.RTM_DELNEIGH, index, address) for address in left]):
                check(0 if code in _GONE else code)

    def source_addresses(self, link: str) -> list[InterfaceAddress]:
        """Return the addresses of a link that packets may have as their source, best first; none unless it is up.

        Addresses that are checked for duplicates, are duplicates or run out are left out, and temporary ones
        (RFC 8981), which change every day.
        """
        with kernel_errors(f"list addresses of '{link}'"):
            body = self._requests.ask_all([look(link)])[0]
            index, flags = uapi.IFINFOMSG.unpack_from(body)[2:4] if body else (0, 0)
            if not flags & uapi.IFF_UP:
                return []
            asked = uapi.IFADDRMSG.pack(0, 0, 0, 0, index)
            found = [_usable(body, index) for body in dump(uapi.RTM_GETADDR, asked, strict=True)]
        return [address for address in found if address is not None]


def _usable(body: bytes, link: int) -> InterfaceAddress | None:
    """Read the body of an RTM_NEWADDR message; None if the address is no source or of another link."""
    family, length, _, scope, index = uapi.IFADDRMSG.unpack_from(body)
    found = dict(attributes(body[uapi.IFADDRMSG.size :]))
    flags, value = number(found.get(uapi.IFA_FLAGS, b"")), found.get(uapi.IFA_LOCAL) or found.get(uapi.IFA_ADDRESS)
    temporary = family == socket.AF_INET6 and flags & uapi.IFA_F_TEMPORARY
    if family not in FAMILIES or index != link or scope >= uapi.RT_SCOPE_LINK or temporary or not value:
        return None
    return None if flags & _UNUSABLE else ip_interface((ip_address(value), length))


def gone(to: bytes) -> str:
    """Return the name of the deletion of a route to an address (packed) among our own changes."""
    return f"route {to.hex()}"


def _new_route(link: int, route: HostRoute) -> bytes:
    """RTM_NEWROUTE of a route that nobody has yet."""
    source = attribute(uapi.RTA_PREFSRC, route.source.packed) if route.source else b""
    return message(uapi.RTM_NEWROUTE, NEW, route_by(link, route.to) + source)


def _delete_route(link: int, to: Address) -> bytes:
    """RTM_DELROUTE of a route of pynet by a link."""
    return message(uapi.RTM_DELROUTE, uapi.NLM_F_ACK, route_by(link, to))


def route_by(link: int, to: Address) -> bytes:
    """Return the body of a message about pynet's route to a single address by the link with index ``link``."""
    scope = uapi.RT_SCOPE_LINK if to.version == 4 else uapi.RT_SCOPE_UNIVERSE
    head = uapi.RTMSG.pack(
        FAMILY[to.version], to.max_prefixlen, 0, 0, uapi.RT_TABLE_MAIN, PROTOCOL, scope, uapi.RTN_UNICAST, 0
    )
    return head + attribute(uapi.RTA_DST, to.packed) + word(uapi.RTA_OIF, link)


def _neighbours(link: int, route: HostRoute) -> Iterator[bytes]:
    """RTM_NEWNEIGH of the MAC behind the link and, in IPv6, of the address for which the link answers."""
    head = uapi.NDMSG.pack(FAMILY[route.to.version], link, uapi.NUD_PERMANENT, 0, 0)
    body = head + attribute(uapi.NDA_DST, route.to.packed)
    flags = uapi.NLM_F_ACK | uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
    if route.mac:
        yield message(uapi.RTM_NEWNEIGH, flags, body + attribute(uapi.NDA_LLADDR, mac_bytes(route.mac)))
    if route.source and route.source.version == 6:
        yield _answer(uapi.RTM_NEWNEIGH, link, route.source)


def _delete_neighbour(link: int, to: Address) -> bytes:
    head = uapi.NDMSG.pack(FAMILY[to.version], link, 0, 0, 0)
    return message(uapi.RTM_DELNEIGH, uapi.NLM_F_ACK, head + attribute(uapi.NDA_DST, to.packed))


def _answer(kind: int, link: int, address: Address) -> bytes:
    """Message of ``kind`` about an address for which the link answers."""
    flags = uapi.NLM_F_ACK | (uapi.NLM_F_CREATE if kind == uapi.RTM_NEWNEIGH else 0)
    head = uapi.NDMSG.pack(socket.AF_INET6, link, uapi.NUD_PERMANENT, uapi.NTF_PROXY, 0)
    return message(kind, flags, head + attribute(uapi.NDA_DST, address.packed))


def routes_by(link: int) -> dict[Address, Address | None]:
    """Return the source of pynet's routes by the link with index ``link``, by the address to which they lead."""
    asked = uapi.RTMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0) + word(uapi.RTA_OIF, link)
    sources: dict[Address, Address | None] = {}
    for body in dump(uapi.RTM_GETROUTE, asked, strict=True):
        family, _, _, _, _, protocol, *_ = uapi.RTMSG.unpack_from(body)
        if family not in FAMILIES or protocol != PROTOCOL:
            continue
        found = dict(attributes(body[uapi.RTMSG.size :]))
        if number(found.get(uapi.RTA_OIF, b"")) == link and uapi.RTA_DST in found:
            source = found.get(uapi.RTA_PREFSRC)
            sources[ip_address(found[uapi.RTA_DST])] = ip_address(source) if source else None
    return sources


def _macs(link: int) -> dict[Address, str]:
    """Return the permanent MACs behind a link, by address."""
    entries = _entries(link, socket.AF_UNSPEC, 0)
    return {
        ip_address(found[uapi.NDA_DST]): found[uapi.NDA_LLADDR].hex(":")
        for state, found in entries
        if state & uapi.NUD_PERMANENT and uapi.NDA_LLADDR in found
    }


def _answered(link: int) -> set[Address]:
    """Return the IPv6 addresses for which a link answers."""
    return {ip_address(found[uapi.NDA_DST]) for _, found in _entries(link, socket.AF_INET6, uapi.NTF_PROXY)}


def _entries(link: int, family: int, flags: int) -> Iterable[tuple[int, dict[int, bytes]]]:
    """Return state and attributes of the entries of neighbour tables that are about a link."""
    asked = uapi.NDMSG.pack(family, 0, 0, flags, 0) + word(uapi.NDA_IFINDEX, link)
    for body in dump(uapi.RTM_GETNEIGH, asked, strict=True):
        of, index, state, _, _ = uapi.NDMSG.unpack_from(body)
        if of in FAMILIES and index == link:
            yield state, dict(attributes(body[uapi.NDMSG.size :]))
