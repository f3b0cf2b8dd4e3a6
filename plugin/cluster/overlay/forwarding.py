"""Judges the records of an overlay network before they become entries of this host's kernel tables. No I/O.

Anybody with access to the cluster store can write any record. A record that would misdirect frames of this host is
refused: one that claims the gateway, an endpoint of this host, or an address outside of the network.
"""

from collections.abc import Collection

from netlink.values import dataclass
from plugin.cluster.overlay.records import Peer
from plugin.cluster.secrecy.records import TUNNELS, tunnel_address
from plugin.model.records import Network
from plugin.options.tunnel import VXLAN
from plugin.options.unicast import is_machines_mac
from plugin.protocol.messages import Address, Subnet


@dataclass(frozen=True, slots=True)
class LocalView:
    """A network as this host's own records describe it.

    The host receives frames at ``address``, which is inside the tunnels if they are ``encrypted``; ``mac`` and
    ``gateways`` belong to its gateway. ``tunnel`` says how packets go to other hosts.
    """

    host: str
    address: Address
    subnets: Collection[Subnet] = ()
    mac: str = ""
    gateways: Collection[Address] = ()
    tunnel: str = VXLAN
    encrypted: bool = False


def local_view(network: Network, host: str, address: Address) -> LocalView:
    """Return the view in the record of ``network`` on a host that the others reach at ``address``."""
    gateways = {subnet.gateway.ip for subnet in network.subnets if subnet.gateway}
    overlay, pools = network.overlay, [subnet.pool for subnet in network.subnets]
    encrypted, tunnel = bool(overlay and overlay.encrypt), overlay.tunnel if overlay else VXLAN
    own = tunnel_address(host) if encrypted else address
    return LocalView(host, own, pools, network.mac.lower(), gateways, tunnel, encrypted)


def doubt_about_host(address: Address, view: LocalView, host: str = "") -> str:
    """Return why no other host, or not ``host``, can be at ``address``, or ""."""
    if (address in TUNNELS) is not view.encrypted:
        return f"{text_of(address)} is {'not ' if view.encrypted else ''}inside the encrypted tunnels"
    if view.encrypted and host and address != tunnel_address(host):
        return f"{text_of(address)} is another host's inside the encrypted tunnels"
    if address == view.address:
        return f"{text_of(address)} is this host's own"
    if address.version != view.address.version:
        return f"{text_of(address)} is of another family than {view.address}, at which this host is reached"
    return "" if _is_unicast(address) else f"{text_of(address)} cannot be a host's"


def doubt_about_peer(peer: Peer, view: LocalView) -> str:
    """Return why the record of another host's endpoint is impossible, or ""."""
    if peer.host == view.host:
        return ""
    mac = peer.mac.lower()
    if not is_machines_mac(mac):
        return f"{text_of(mac)} cannot be an endpoint's"
    if mac == view.mac:
        return f"{text_of(mac)} is the gateway's"
    return next((why for address in peer.addresses if (why := _doubt_about_address(address, view))), "")


def _doubt_about_address(address: Address, view: LocalView) -> str:
    if address in view.gateways:
        return f"{text_of(address)} is the gateway's"
    if not _is_unicast(address):
        return f"{text_of(address)} cannot be an endpoint's"
    pool = next((subnet for subnet in view.subnets if address in subnet), None)
    if view.subnets and pool is None:  # the subnets of a network that was rebuilt from its links may be unknown
        return f"{text_of(address)} is in no subnet of the network"
    ends = {pool.network_address, pool.broadcast_address} if pool and pool.version == 4 and pool.prefixlen < 31 else ()
    return f"{text_of(address)} cannot be an endpoint's" if address in ends else ""


def _is_unicast(address: Address) -> bool:
    return not (address.is_loopback or address.is_multicast or address.is_unspecified) and not (
        address.version == 4 and address.is_reserved  # 240.0.0.0/4, which includes broadcast
    )


def text_of(owned: Address | str) -> str:
    """Return an address or a MAC as an error text names it."""
    return f"MAC {owned}" if isinstance(owned, str) else f"address {owned}"
