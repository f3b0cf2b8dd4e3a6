"""Translates the records of an overlay network into entries of one host's kernel tables. No I/O.

Anybody with access to the cluster store can write any record. A record that would misdirect frames of this host is
refused: one that claims the gateway, an endpoint of this host, or an address outside of the network.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from netlink.vxlan import EVERYBODY, Entry, Forward, Neighbour, Remote
from plugin.cluster.overlay.records import Member, Peer
from plugin.model.records import Endpoint, Network
from plugin.options.unicast import is_machines_mac
from plugin.protocol.messages import Address, Subnet
from plugin.store.base import Versioned


@dataclass(frozen=True, slots=True)
class LocalView:
    """A network as this host's own records describe it.

    The host receives frames at ``address``; ``mac`` and ``gateways`` belong to its gateway; ``taken`` are the MACs and
    addresses of its endpoints.
    """

    host: str
    address: Address
    subnets: Collection[Subnet] = ()
    mac: str = ""
    gateways: Collection[Address] = ()
    taken: Collection[Address | str] = frozenset()

    def with_endpoints(self, endpoints: Iterable[Endpoint]) -> "LocalView":
        """Return the same view with the MACs and addresses of ``endpoints``, which this host has."""
        taken: set[Address | str] = set()
        for endpoint in endpoints:
            taken |= {endpoint.mac.lower(), *(address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address)}
        return replace(self, taken=taken - {""})


@dataclass(frozen=True, slots=True)
class WantedTables:
    """The entries of the tables, the ``hosts`` whose frames are accepted, and why records were refused, by name."""

    entries: Collection[Entry]
    hosts: Collection[Address]
    refused: Mapping[str, str]


def local_view(network: Network, host: str, address: Address) -> LocalView:
    """Return the view in the record of ``network``, without endpoints."""
    gateways = {subnet.gateway.ip for subnet in network.subnets if subnet.gateway}
    return LocalView(host, address, [subnet.pool for subnet in network.subnets], network.mac.lower(), gateways)


def wanted_tables(
    peers: Collection[Versioned[Peer]], members: Collection[Versioned[Member]], view: LocalView
) -> WantedTables:
    """Return the entries that lead to the endpoints of other hosts, and the records that were refused.

    Of two endpoints with the same address or MAC the later record counts. This host's own endpoints need no entries,
    because its bridge knows its own ports.
    """
    hosts, refused = _hosts(members, view)
    unfit = {item.record.key: why for item in peers if (why := _doubt_about_peer(item.record, view))}
    winners = latest(item for item in peers if item.record.key not in unfit)
    foreign = {owned: peer for owned, peer in winners.items() if peer.host != view.host}
    unfit |= {
        peer.key: f"{_text(owned)} is that of an endpoint of this host"
        for owned, peer in foreign.items()
        if owned in view.taken
    }
    entries: set[Entry] = {Remote(EVERYBODY, address) for address in hosts.values()}
    for owned, peer in foreign.items():
        if peer.host not in hosts or peer.key in unfit:
            continue
        if isinstance(owned, str):
            entries |= {Forward(owned), Remote(owned, hosts[peer.host])}
        else:
            entries.add(Neighbour(owned, peer.mac.lower()))
    return WantedTables(
        entries, set(hosts.values()), refused | {f"{Peer.kind} '{key}'": why for key, why in unfit.items()}
    )


def latest(peers: Iterable[Versioned[Peer]]) -> dict[Address | str, Peer]:
    """Return the owner of each address and each MAC."""
    found: dict[Address | str, Peer] = {}
    for item in sorted(peers, key=lambda item: item.revision):
        found |= dict.fromkeys([item.record.mac.lower(), *item.record.addresses], item.record)
    return found


def _hosts(members: Iterable[Versioned[Member]], view: LocalView) -> tuple[Mapping[str, Address], dict[str, str]]:
    """Return the address of each other host, by its latest record, and why records were refused."""
    hosts, refused = {}, {}
    for item in sorted(members, key=lambda item: item.revision):
        member = item.record
        if member.host == view.host:
            continue
        if why := doubt_about_host(member.address, view):
            refused[f"{Member.kind} '{member.key}'"] = why
        else:
            hosts[member.host] = member.address
    return hosts, refused


def doubt_about_host(address: Address, view: LocalView) -> str:
    """Return why no other host can be at ``address``, or ""."""
    if address == view.address:
        return f"{_text(address)} is this host's own"
    if address.version != view.address.version:
        return f"{_text(address)} is of another family than {view.address}, at which this host is reached"
    return "" if _is_unicast(address) else f"{_text(address)} cannot be a host's"


def _doubt_about_peer(peer: Peer, view: LocalView) -> str:
    """Return why the record of another host's endpoint is impossible, or ""."""
    if peer.host == view.host:
        return ""
    mac = peer.mac.lower()
    if not is_machines_mac(mac):
        return f"{_text(mac)} cannot be an endpoint's"
    if mac == view.mac:
        return f"{_text(mac)} is the gateway's"
    return next((why for address in peer.addresses if (why := _doubt_about_address(address, view))), "")


def _doubt_about_address(address: Address, view: LocalView) -> str:
    if address in view.gateways:
        return f"{_text(address)} is the gateway's"
    if not _is_unicast(address):
        return f"{_text(address)} cannot be an endpoint's"
    pool = next((subnet for subnet in view.subnets if address in subnet), None)
    if view.subnets and pool is None:  # the subnets of a network that was rebuilt from its links may be unknown
        return f"{_text(address)} is in no subnet of the network"
    ends = {pool.network_address, pool.broadcast_address} if pool and pool.version == 4 and pool.prefixlen < 31 else ()
    return f"{_text(address)} cannot be an endpoint's" if address in ends else ""


def _is_unicast(address: Address) -> bool:
    return not (address.is_loopback or address.is_multicast or address.is_unspecified) and not (
        address.version == 4 and address.is_reserved  # 240.0.0.0/4, which includes broadcast
    )


def _text(owned: Address | str) -> str:
    return f"MAC {owned}" if isinstance(owned, str) else f"address {owned}"
