"""Where the kernel's tables of this host differ from what the cluster store says."""

import time
from collections.abc import Iterable, Sequence

from netlink.errors import KernelError
from plugin.cluster.records import Member, Peer
from plugin.cluster.tables import host_addresses, wanted_entries
from plugin.model import Network, vxlan_name
from plugin.ports import Tunnels
from plugin.store.base import Store

SETTLE = 1.0  # seconds after which a difference is one: something is always on its way


def table_drift(
    store: Store, networks: Iterable[Network], tunnels: Tunnels, host: str, settle: float = SETTLE
) -> Sequence[str]:
    """Return a sentence for each entry that is missing or too much, and for tables that cannot be read."""
    spanning = [network for network in networks if network.overlay]
    first = _differences(store, spanning, tunnels, host)
    if not first:
        return []
    time.sleep(settle)
    second = _differences(store, spanning, tunnels, host)
    return [problem for problem in first if problem in second]


def _differences(store: Store, networks: Iterable[Network], tunnels: Tunnels, host: str) -> list[str]:
    problems = []
    for network in networks:
        name = network.overlay.network if network.overlay else ""
        hosts = host_addresses(store.list(Member, f"{name}/"))
        wanted = wanted_entries(store.list(Peer, f"{name}/"), hosts, host)
        try:
            there = tunnels.entries(network.link, vxlan_name(network.id))
        except KernelError as error:
            problems.append(f"network '{name}' of this host: {error}")
            continue
        where = f"network '{name}' of this host"
        problems += [f"{where} lacks the entry {entry}" for entry in sorted(map(str, wanted - there))]
        problems += [f"{where} has the stale entry {entry}" for entry in sorted(map(str, there - wanted))]
    return problems
