"""Routes of the host to containers of other hosts on the same segment, and the way by which it reaches another host.

A route is ``ip route add ADDRESS via HOST dev LINK onlink proto 81 metric VNI``. The protocol tells pynet's routes from
those of network managers and routing daemons, which leave protocols of others alone (rtm_protocol, rtnetlink(7));
the metric tells to which network they belong, as a host has a VNI once.
"""

import errno
import socket
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address

from netlink import uapi
from netlink.announcements import announce
from netlink.dump import dump
from netlink.errors import KernelError, kernel_error, kernel_errors
from netlink.ip import FAMILIES, FAMILY, Address
from netlink.own_changes import GONE, OwnChanges
from netlink.request import Requests, link_name
from netlink.routes import RouteLookup
from netlink.underlay_bell import UnderlayBell
from netlink.values import dataclass
from netlink.wire import attribute, attributes, message, number, word

PROTOCOL = 0x51  # one more than ``netlink.host_routes.PROTOCOL``; /etc/iproute2/rt_protos has no such number
_NEXT_HOPS = frozenset({uapi.RTA_GATEWAY, uapi.RTA_VIA, uapi.RTA_MULTIPATH})  # of a route by a router
_GONE = frozenset({0, errno.ENOENT, errno.ESRCH, errno.ENODEV})


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """A route to the container at ``to``, by the host at ``via``, which is on the wire of ``link``."""

    to: Address
    via: Address
    link: str

    def __str__(self) -> str:
        return f"{self.to} via {self.via} by '{self.link}'"


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """The link by which the kernel reaches an address, and whether that is behind a router."""

    link: str
    gateway: bool


class DirectRoutes:
    """The network namespace that this process lives in. Every verb may raise ``KernelError``."""

    def __init__(self, changes: OwnChanges) -> None:
        self._changes = changes
        self._requests = Requests()

    def ways(self, addresses: Iterable[Address]) -> dict[Address, FoundRoute]:
        """Return how the kernel reaches each address of another host; without those that it does not, and its own."""
        with kernel_errors("look up routes to other hosts"), RouteLookup() as lookup:
            found = {address: _way(lookup, address) for address in addresses}
        return {address: way for address, way in found.items() if way}

    def change_routes(
        self, metric: int, add: Collection[DirectRoute], delete: Collection[DirectRoute]
    ) -> Mapping[DirectRoute, KernelError]:
        """Delete routes of the network with ``metric``, passing over those that are gone; add others or replace them.

        Returns the routes that the kernel refused, and why; all others are written.
        """
        self._changes.record(GONE, *(gone(route.to.packed) for route in delete))
        refused: dict[DirectRoute, KernelError] = {}
        with kernel_errors("write routes to containers of other hosts"):
            for verb, routes in ((uapi.RTM_DELROUTE, delete), (uapi.RTM_NEWROUTE, add)):
                codes = self._requests.send_all([_message(verb, route, metric) for route in routes])
                for route, code in zip(routes, codes, strict=True):
                    if code and (verb == uapi.RTM_NEWROUTE or code not in _GONE):
                        refused[route] = kernel_error(f"write route to {route}", code)
        return refused

    def routes(self) -> Mapping[int, set[DirectRoute]]:
        """Return the routes of all networks, by metric; the kernel finds those of one no quicker."""
        found: dict[int, set[DirectRoute]] = {}
        for metric, attributes_of in _listed():
            found.setdefault(metric, set()).update(_read(attributes_of))
        return found

    def announce(self, link: str, mac: str, addresses: Iterable[Address]) -> None:
        """Tell machines on ``link`` that the addresses are at ``mac`` by now."""
        announce(link, mac, addresses)

    def listen(self) -> UnderlayBell:
        """Hear from now on of changes on the way to other hosts, and of routes of pynet that others delete."""
        with kernel_errors("listen to changes of routes"):
            return UnderlayBell(PROTOCOL, self._changes, gone)

    def close(self) -> None:
        """Close the socket of this thread."""
        self._requests.close()


def gone(to: bytes) -> str:
    """Return the name of the deletion of a route to an address (packed) among our own changes."""
    return f"direct route {to.hex()}"


def _way(lookup: RouteLookup, address: Address) -> FoundRoute | None:
    try:
        body = lookup.route_to(address.packed)
    except OSError:  # no route, or one that drops
        return None
    found = dict(attributes(body[uapi.RTMSG.size :]))
    link = link_name(number(found.get(uapi.RTA_OIF, b"")))
    if not link or uapi.RTMSG.unpack_from(body)[7] != uapi.RTN_UNICAST:
        return None
    return FoundRoute(link, gateway=not _NEXT_HOPS.isdisjoint(found))


def _message(verb: int, route: DirectRoute, metric: int) -> bytes:
    """RTM_NEWROUTE or RTM_DELROUTE; the other end is a neighbour on the link, whatever subnets the link has."""
    flags = uapi.NLM_F_ACK | (uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE if verb == uapi.RTM_NEWROUTE else 0)
    family = FAMILY[route.to.version]
    head = uapi.RTMSG.pack(
        family, route.to.max_prefixlen, 0, 0, uapi.RT_TABLE_MAIN, PROTOCOL, uapi.RT_SCOPE_UNIVERSE, uapi.RTN_UNICAST,
        uapi.RTNH_F_ONLINK,
    )  # fmt: skip
    if route.via.version == route.to.version:
        hop = attribute(uapi.RTA_GATEWAY, route.via.packed)
    else:  # struct rtvia
        hop = attribute(uapi.RTA_VIA, FAMILY[route.via.version].to_bytes(2, sys.byteorder) + route.via.packed)
    index = 0
    with suppress(OSError):  # without the link the kernel says so, of this route alone
        index = socket.if_nametoindex(route.link)
    body = attribute(uapi.RTA_DST, route.to.packed) + hop + word(uapi.RTA_OIF, index)
    return message(verb, flags, head + body + word(uapi.RTA_PRIORITY, metric))


def _listed() -> Iterator[tuple[int, Mapping[int, bytes]]]:
    """Yield the metric and the attributes of each route of ``PROTOCOL``; the kernel leaves out others (Linux 4.20)."""
    with kernel_errors("list routes to containers of other hosts"):
        for family in FAMILIES:
            asked = uapi.RTMSG.pack(family, 0, 0, 0, uapi.RT_TABLE_MAIN, PROTOCOL, 0, 0, 0)
            for body in dump(uapi.RTM_GETROUTE, asked, strict=True):
                if body[0] == family and uapi.RTMSG.unpack_from(body)[5] == PROTOCOL:
                    found = dict(attributes(body[uapi.RTMSG.size :]))
                    yield number(found.get(uapi.RTA_PRIORITY, b"")), found


def _read(found: Mapping[int, bytes]) -> Iterator[DirectRoute]:
    hop = found.get(uapi.RTA_GATEWAY) or found.get(uapi.RTA_VIA, b"")[2:]
    if hop and uapi.RTA_DST in found:
        link = link_name(number(found.get(uapi.RTA_OIF, b"")))
        yield DirectRoute(ip_address(found[uapi.RTA_DST]), ip_address(hop), link)
