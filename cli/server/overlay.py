"""Puts together what overlay networks need; without a cluster store those that there are can only be removed."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import structlog

from cli.server.cluster import Cluster
from netlink.errors import KernelError
from plugin.background.loop import Loop
from plugin.cluster.hosts.records import ClusterHost
from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import ClusterView, Presence
from plugin.cluster.overlay.table_sync import TableSync
from plugin.cluster.overlay.underlay import Underlay
from plugin.errors import PynetError
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Kernel, Tunnels
from plugin.model.records import Network
from plugin.modes.overlay import OverlayMode, Shared
from plugin.request.locks import Locks
from plugin.store.base import Record, Store, Unreadable
from plugin.store.memory import MemoryStore

log = structlog.get_logger()

CLOSED = "mode overlay needs a store that the hosts share, and PYNET_STORE names none"


class Nowhere:
    """Takes records back where there is no cluster store any more."""

    def take_back(self, *records: Record) -> bool:
        """Do nothing."""
        del records
        return True

    def keep(self, *records: Record) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Host:
    """What overlay mode works with on this host."""

    kernel: Kernel
    tunnels: Tunnels
    store: Store
    firewall: Firewall
    locks: Locks


def share(host: Host, cluster: Cluster | None) -> Shared:
    """Return what overlay mode shares with other hosts, closed without a cluster."""
    known = _known(cluster) if cluster else _nothing()
    peers = TableSync(known.store, host.store, host.tunnels, host.firewall, known.host)
    return Shared(
        tunnels=host.tunnels,
        agreement=Agreement(known.store, known.removals),
        peers=peers,
        own=Presence(host.store, known, peers, host.locks),
        underlay=Underlay(host.kernel, known.address),
        closed="" if cluster else CLOSED,
    )


def start(shared: Shared, mode: OverlayMode, networks: Iterable[Network]) -> list[Loop[Any]]:
    """Go on with the networks that there are, and start the threads, of which those that work are returned."""
    if shared.closed:
        return []
    for network in networks:
        if network.overlay:
            try:
                mode.resume(network)
            except (KernelError, PynetError) as error:
                log.warning("overlay network not resumed", network=network.id[:12], error=str(error))
    return [shared.peers.start(shared.own.mend)]


def _known(cluster: Cluster) -> ClusterView:
    store = cluster.stores.shared

    def alive(host: str) -> bool:
        try:
            return store.get(ClusterHost, host) is not None
        except Unreadable:
            return True  # somebody renews it

    return ClusterView(store, cluster.outbox, alive, cluster.me.id, cluster.me.address)


def _nothing() -> ClusterView:
    return ClusterView(MemoryStore(), Nowhere(), lambda _: False, "", IPv4Address(0))
