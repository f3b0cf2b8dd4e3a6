"""Compares this host's forwarding and neighbour tables with the records in the cluster store."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from netlink.errors import KernelError
from plugin.cluster.hosts.records import HostIdentity
from plugin.cluster.overlay.forwarding import local_view, wanted_tables
from plugin.cluster.overlay.records import Member, Peer
from plugin.interfaces import Tunnels
from plugin.model.names import vxlan_name
from plugin.model.records import Endpoint, Network
from plugin.store.base import Store

SETTLE = 1.0  # seconds that a difference must last: some change is always being written


@dataclass(frozen=True, slots=True)
class Here:
    """The records in this host's own store."""

    identity: HostIdentity
    networks: Sequence[Network]
    endpoints: Sequence[Endpoint]


def table_drift(store: Store, here: Here, tunnels: Tunnels, settle: float = SETTLE) -> Sequence[str]:
    """Return a sentence for each entry that is missing, stale or refused, and for tables that cannot be read."""
    first = _differences(store, here, tunnels)
    if not first:
        return []
    time.sleep(settle)
    second = _differences(store, here, tunnels)
    return [problem for problem in first if problem in second]


def _differences(store: Store, here: Here, tunnels: Tunnels) -> list[str]:
    address = here.identity.address or IPv4Address(0)
    problems = []
    for network in here.networks:
        if network.overlay is None:
            continue
        name = network.overlay.network
        endpoints = [endpoint for endpoint in here.endpoints if endpoint.network_id == network.id]
        view = local_view(network, here.identity.id, address).with_endpoints(endpoints)
        found = wanted_tables(store.list(Peer, f"{name}/"), store.list(Member, f"{name}/"), view)
        wanted = set(found.entries)
        try:
            there = tunnels.entries(network.link, vxlan_name(network.id))
        except KernelError as error:
            problems.append(f"network '{name}' of this host: {error}")
            continue
        where = f"network '{name}' of this host"
        problems += [f"{where} leaves out {what}: {why}" for what, why in sorted(found.refused.items())]
        problems += [f"{where} lacks the entry {entry}" for entry in sorted(map(str, wanted - there))]
        problems += [f"{where} has the stale entry {entry}" for entry in sorted(map(str, there - wanted))]
    return problems
