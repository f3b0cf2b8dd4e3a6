"""The messages of a client, with the options of each by RFC 2131 section 4.4 (table 5)."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from netlink import dhcp4
from netlink.dhcp4 import DhcpMessage
from netlink.dhcp_link import Ends
from plugin.dhcp.model import ClientIdentity, Lease4

_LARGEST_MESSAGE = 1472  # bytes that fit into a frame of 1500


@dataclass(frozen=True, slots=True)
class Send:
    """A message to a server, and its ends."""

    ends: Ends
    message: DhcpMessage


def discover(identity: ClientIdentity, xid: int, seconds: float, wish: IPv4Address | None) -> Send:
    """Return the question who has an address to give."""
    return Send(Ends(identity.mac), _asking(dhcp4.DISCOVER, identity, xid, seconds, _wish(wish)))


def request(identity: ClientIdentity, xid: int, seconds: float, offer: Lease4) -> Send:
    """Return the acceptance of an offer."""
    options = _wish(offer.address.ip) | {dhcp4.SERVER: offer.server.packed}
    return Send(Ends(identity.mac), _asking(dhcp4.REQUEST, identity, xid, seconds, options))


def reboot(identity: ClientIdentity, xid: int, seconds: float, known: Lease4) -> Send:
    """Return the question whether the client may go on with a lease that it had."""
    return Send(Ends(identity.mac), _asking(dhcp4.REQUEST, identity, xid, seconds, _wish(known.address.ip)))


def renewal(identity: ClientIdentity, xid: int, seconds: float, lease: Lease4, server_mac: str) -> Send:
    """Return the request for more time, to all servers if ``server_mac`` is ""; answers go to the client alone."""
    message = _asking(dhcp4.REQUEST, identity, xid, seconds, own=lease.address.ip)
    return Send(_ends(identity, lease, server_mac), message)


def decline(identity: ClientIdentity, xid: int, lease: Lease4) -> Send:
    """Return the notice that somebody else has the address."""
    options = _wish(lease.address.ip) | {dhcp4.SERVER: lease.server.packed} | _client_id(identity)
    return Send(Ends(identity.mac), DhcpMessage(dhcp4.DECLINE, xid, identity.mac, options=options))


def release(identity: ClientIdentity, xid: int, lease: Lease4, server_mac: str) -> Send:
    """Return the notice that the address is free again; every server hears it if ``server_mac`` is ""."""
    options = {dhcp4.SERVER: lease.server.packed} | _client_id(identity)
    message = DhcpMessage(dhcp4.RELEASE, xid, identity.mac, own=lease.address.ip, options=options)
    return Send(_ends(identity, lease, server_mac), message)


def _asking(
    kind: int,
    identity: ClientIdentity,
    xid: int,
    seconds: float,
    options: dict[int, bytes] | None = None,
    own: IPv4Address = dhcp4.NOBODY,
) -> DhcpMessage:
    more = _client_id(identity)
    if identity.host_name:
        more[dhcp4.HOST_NAME] = identity.host_name.encode()
    if identity.vendor_class:
        more[dhcp4.VENDOR_CLASS] = identity.vendor_class.encode()
    more[dhcp4.LARGEST] = _LARGEST_MESSAGE.to_bytes(2, "big")
    more[dhcp4.WANTED] = dhcp4.ASKED
    to_all = own == dhcp4.NOBODY  # before it has the address, the client's link is not there to be answered
    return DhcpMessage(
        kind, xid, identity.mac, own, seconds=int(seconds), to_all=to_all, options=(options or {}) | more
    )


def _ends(identity: ClientIdentity, lease: Lease4, server_mac: str) -> Ends:
    source = lease.address.ip
    return Ends(identity.mac, source, lease.server, server_mac) if server_mac else Ends(identity.mac, source)


def _wish(address: IPv4Address | None) -> dict[int, bytes]:
    return {} if address is None else {dhcp4.WISH: address.packed}


def _client_id(identity: ClientIdentity) -> dict[int, bytes]:
    return {dhcp4.CLIENT_ID: identity.client_id} if identity.client_id else {}
