"""Answers questions about the cluster from its store, and forgets a dead host."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from typing import Any

from cli.server.records import KINDS_IN_CLUSTER
from cli.settings import Settings
from netlink.direct_routes import DirectRoutes
from netlink.own_changes import OwnChanges
from netlink.vxlan import Vxlan
from plugin.cluster.addresses.pools import SharedPools
from plugin.cluster.addresses.records import ClusterLease, PoolUse, QueuedRemoval
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.forget import forget_host
from plugin.cluster.hosts.records import HostIdentity
from plugin.cluster.overlay.agreement import drop_unused_networks
from plugin.cluster.status import ClusterStatus, Here, LocalState, cluster_status, table_drift
from plugin.errors import InvalidRequest
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Countdown
from plugin.protocol.own_messages import ForgottenHost
from plugin.store.base import ClusterStore
from plugin.store.remote.factory import open_cluster_store
from plugin.store.sqlite.store import read_records


@contextmanager
def cluster_store(settings: Settings) -> Iterator[ClusterStore]:
    """Open the cluster store for a moment; raises ``InvalidRequest`` when there is none."""
    if settings.store is None:
        raise InvalidRequest("ask the cluster: PYNET_STORE names no store that hosts share")
    store = open_cluster_store(settings.store, settings.access)
    try:
        yield store
    finally:
        store.close()


def status(settings: Settings, countdowns: Callable[[], Sequence[Countdown]] = tuple) -> ClusterStatus:
    """Return the state of the cluster as this host sees it; ``countdowns`` are its own."""

    def read_local() -> LocalState:
        if not settings.database.exists():
            return LocalState()
        identity = read_records(settings.database, HostIdentity)
        leases = read_records(settings.database, ClusterLease)
        return LocalState(
            identity[0].id if identity else "", leases, len(read_records(settings.database, QueuedRemoval))
        )

    with cluster_store(settings) as store:
        found = cluster_status(store, read_local, KINDS_IN_CLUSTER, countdowns())
        return replace(found, problems=(*found.problems, *_table_drift(settings, store)))


def _table_drift(settings: Settings, store: ClusterStore) -> Sequence[str]:
    if not settings.database.exists():
        return []
    identity = read_records(settings.database, HostIdentity)
    if not identity:
        return []
    here = Here(identity[0], read_records(settings.database, Network), read_records(settings.database, Endpoint))
    with closing(Vxlan()) as tunnels, closing(DirectRoutes(OwnChanges())) as routes:
        return table_drift(store, here, tunnels, NextHops(routes))


def forget(settings: Settings, host: str) -> ForgottenHost:
    """Free everything that a dead host holds."""
    with cluster_store(settings) as store:
        removed = forget_host(store, host)
        SharedPools(store).drop_unused()
        drop_unused_networks(store)
    return ForgottenHost(host, removed.get(ClusterLease.kind, 0), removed.get(PoolUse.kind, 0))


def as_data(state: ClusterStatus) -> dict[str, Any]:
    """Return the status as JSON's types; ages, lags and the answer are in seconds, None where they are not known."""
    hosts: list[dict[str, Any]] = [
        {
            "id": host.state.id,
            "name": host.state.name,
            "address": host.state.address,
            "alive": host.state.alive,
            "lease_age": host.state.age,
            "watch_lag": host.lag,
            "endpoints": host.endpoints,
        }
        for host in state.hosts
    ]
    networks = [asdict(network) for network in state.networks]
    takeovers = [asdict(takeover) for takeover in state.takeovers]
    whole = {"hosts": hosts, "networks": networks, "waiting": state.waiting, "store_answer": state.answer}
    return whole | {"takeovers": takeovers, "problems": list(state.problems)}
