"""Judges the answers of servers. Anybody on the LAN can send one, so a lease is read only if it makes sense."""

import string
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from netlink import dhcp4
from netlink.dhcp4 import DhcpMessage
from plugin.dhcp.model import FOREVER, Lease4, Route

SHORTEST = 5  # seconds of a lease; a shorter one would be renewed all the time
LEAST_MTU, LARGEST_MTU = 576, 65535  # bytes; a smaller MTU would break more than it mends
MOST = 8  # servers of names, of which resolvers use three
MOST_ROUTES = 64
_DOMAIN = frozenset(string.ascii_letters + string.digits + "-._")
_LONGEST_DOMAIN = 253  # characters (RFC 1035 section 2.3.4)


def lease_of(message: DhcpMessage, taken: float) -> Lease4:
    """Return the lease that an OFFER or ACK describes, as of the request of time ``taken``.

    Raises:
        ValueError: it makes no sense; the text says why.
    """
    server = message.address(dhcp4.SERVER)
    if server is None or not is_host(server):
        raise ValueError("a server does not name itself")
    address = _address(message, server)
    lasts = message.number(dhcp4.LASTS)
    if lasts is None or lasts < SHORTEST:
        raise ValueError(f"server {server} gives '{address.ip}' for {lasts or 0} s, less than {SHORTEST} s")
    routers = [router for router in message.addresses(dhcp4.ROUTER) if _is_neighbour(router, address)]
    t1, t2 = _times(message, lasts)
    return Lease4(
        address=address,
        server=server,
        taken=int(taken),
        lasts=lasts,
        t1=t1,
        t2=t2,
        router=routers[0] if routers else None,
        routes=_routes(message, address),
        dns=tuple(filter(is_host, message.addresses(dhcp4.DNS)))[:MOST],
        domain=_domain(message),
        mtu=_mtu(message),
    )


def is_host(address: IPv4Address) -> bool:
    """Return whether a machine can have this address."""
    packed = int(address)
    return not (packed >> 24 in {0, 127} or packed >> 28 >= 0xE)  # "this network", loopback, multicast and above


def _address(message: DhcpMessage, server: IPv4Address) -> IPv4Interface:
    given, mask = message.given, message.address(dhcp4.MASK)
    if not is_host(given):
        raise ValueError(f"server {server} gives '{given}', which no machine can have")
    ones = int(mask or 0)
    length = 32 - (~ones & 0xFFFFFFFF).bit_length()
    if mask is None or length == 0 or int(IPv4Network((0, length)).netmask) != ones:
        raise ValueError(f"server {server} gives '{given}' without a subnet mask that makes sense")
    address = IPv4Interface((given, length))
    ends = {address.network.network_address, address.network.broadcast_address} if length < 31 else set()
    if given in ends:
        raise ValueError(f"server {server} gives '{given}', which is the network's or the broadcast address")
    if given == server or given in message.addresses(dhcp4.ROUTER):
        raise ValueError(f"server {server} gives '{given}', which is its own or the router's address")
    return address


def _is_neighbour(router: IPv4Address, address: IPv4Interface) -> bool:
    """Return whether a container with ``address`` reaches the router: in its subnet, or on the link from a /32."""
    alone = address.network.prefixlen == 32
    return is_host(router) and (alone or router in address.network) and router != address.ip


def _times(message: DhcpMessage, lasts: int) -> tuple[int, int]:
    """Return T1 and T2: the server's, or those of RFC 2131 section 4.4.5 where they make no sense."""
    if lasts == FOREVER:
        return FOREVER, FOREVER
    t1, t2 = message.number(dhcp4.T1) or 0, message.number(dhcp4.T2) or 0
    if lasts // 10 < t1 < t2 < lasts:
        return t1, t2
    return lasts // 2, lasts * 7 // 8


def _routes(message: DhcpMessage, address: IPv4Interface) -> tuple[Route, ...]:
    found = [Route(*route) for route in message.routes()[:MOST_ROUTES]]
    return tuple(one for one in found if one.router == dhcp4.NOBODY or _is_neighbour(one.router, address))


def _domain(message: DhcpMessage) -> str:
    text = message.text(dhcp4.DOMAIN)
    return text if len(text) <= _LONGEST_DOMAIN and _DOMAIN.issuperset(text) else ""


def _mtu(message: DhcpMessage) -> int:
    mtu = message.number(dhcp4.MTU, 2) or 0
    return mtu if LEAST_MTU <= mtu <= LARGEST_MTU else 0
