"""Puts together what a host shares with others; nothing of it is loaded or made unless PYNET_STORE names a store."""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from cli.settings import Settings
from plugin.background.loop import Loop
from plugin.cluster.addresses.driver import ClusterAddresses, ThisHost
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.repair import Stores
from plugin.cluster.addresses.upkeep import Upkeep
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.hosts.identity import advertised_address, host_identity
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.ping import Responder
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.cluster.overlay.agreement import drop_unused_networks
from plugin.interfaces import HostNetworks, Kernel
from plugin.ipam.supernets import Supernet
from plugin.request.retries import RetryQueue
from plugin.request.timing import Dress
from plugin.store.base import ClusterStore, Put, Store, StoreAway
from plugin.store.remote.factory import open_cluster_store

HOST_ID = "host-id"  # file in the state folder


@dataclass(frozen=True, slots=True)
class Cluster:
    """This host in its cluster. ``me.id`` is who it is to the others, ``me.address`` where they reach it."""

    stores: Stores
    me: ClusterHost
    outbox: Outbox

    def start(
        self, networks: HostNetworks, supernets: Sequence[Supernet], debts: RetryQueue, mend: Callable[[], object]
    ) -> tuple[ClusterAddresses, list[Loop[Any]]]:
        """Start the threads; ``mend`` is called as the repair of the shared addresses is.

        Returns:
            The manager of the shared addresses, and the threads that work.
        """
        here = ThisHost(self.me.id, networks, supernets, debts)
        addresses = ClusterAddresses(self.stores, self.outbox, here)

        def repair() -> None:
            addresses.repair()
            drop_unused_networks(self.stores.shared)
            mend()

        upkeep = Upkeep(self.outbox, repair)
        lease = Membership(self.stores.shared, self.me, upkeep.returned).start()
        Responder(self.stores.shared, self.me.id).start()
        return addresses, [lease, upkeep.start()]


def open_cluster(settings: Settings, local: Store, kernel: Kernel, dress: Dress) -> Cluster | None:
    """Open the cluster store, if there is one; a store that does not answer yet is waited for in the background.

    ``dress`` is put around it.

    Raises:
        InvalidRequest: the address for other hosts is not one of this host's, or a certificate cannot be read.
        Failed: the store refuses the credentials.
    """
    if settings.store is None:
        return None
    shared: ClusterStore = dress("cluster", open_cluster_store(settings.store, settings.access))
    identity = host_identity(local, settings.state_dir / HOST_ID)
    address = advertised_address(settings.advertise, settings.store, kernel.addresses(), identity.address)
    local.transact(Put(replace(identity, address=address)))
    with suppress(StoreAway):
        shared.get(KnownHost, identity.id)
    me = ClusterHost(identity.id, socket.gethostname(), address, int(time.time()))
    return Cluster(Stores(local, shared), me, Outbox(local, shared, HOST_KINDS))
