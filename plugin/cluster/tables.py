"""What the records of an overlay network mean for the kernel tables of one host; nothing here touches the kernel."""

from collections.abc import Iterable, Mapping

from netlink.vxlan import EVERYBODY, Entry, Forward, Neighbour, Remote
from plugin.cluster.records import Member, Peer
from plugin.messages import Address
from plugin.store.base import Versioned


def wanted_entries(peers: Iterable[Versioned[Peer]], hosts: Mapping[str, Address], here: str) -> set[Entry]:
    """Return the entries that lead to the endpoints of other hosts; ``hosts`` says where a host takes frames.

    Of two endpoints with one address or one MAC the later record counts. This host has no entries for itself: its
    bridge knows its own ports.
    """
    entries: set[Entry] = {Remote(EVERYBODY, address) for host, address in hosts.items() if host != here}
    for owned, peer in latest(peers).items():
        if peer.host == here or peer.host not in hosts:
            continue
        if isinstance(owned, str):
            entries |= {Forward(owned), Remote(owned, hosts[peer.host])}
        else:
            entries.add(Neighbour(owned, peer.mac))
    return entries


def latest(peers: Iterable[Versioned[Peer]]) -> dict[Address | str, Peer]:
    """Return who has each address and each MAC."""
    found: dict[Address | str, Peer] = {}
    for item in sorted(peers, key=lambda item: item.revision):
        found |= dict.fromkeys([item.record.mac, *item.record.addresses], item.record)
    return found


def host_addresses(members: Iterable[Versioned[Member]]) -> dict[str, Address]:
    """Return where each host takes frames, by its latest record."""
    ordered = sorted(members, key=lambda item: item.revision)
    return {item.record.host: item.record.address for item in ordered}
