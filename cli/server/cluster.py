"""Joins the cluster that PYNET_STORE names: opens its store, and starts the threads that keep this host in it."""

import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from cli.server.wiring import Host, Pynet
from cli.settings import Settings
from netlink.errors import KernelError
from plugin.background.loop import Loop, Troubled
from plugin.cluster.addresses.driver import ClusterAddresses, ThisHost
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.repair import Stores
from plugin.cluster.addresses.upkeep import Upkeep
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.hosts.crowd import Crowd
from plugin.cluster.hosts.identity import advertised_address, host_identity
from plugin.cluster.hosts.living import LivingHosts
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.ping import Responder
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.cluster.names.announcing import NameAnnouncer
from plugin.cluster.overlay.agreement import drop_unused_networks
from plugin.cluster.overlay.presence import ClusterView
from plugin.cluster.takeover.sharing import SharingHosts
from plugin.cluster.takeover.taking import Taking
from plugin.cluster.takeover.waiting import Takeover, Timing
from plugin.errors import PynetError
from plugin.interfaces import Kernel
from plugin.model.records import Network
from plugin.protocol.messages import Countdown
from plugin.request.timing import Wrap
from plugin.store.base import ClusterStore, Put, Store, StoreAway, Unreadable
from plugin.store.remote.factory import open_cluster_store

log = structlog.get_logger()

HOST_ID = "host-id"  # file in the state folder


@dataclass(frozen=True, slots=True)
class JoinedCluster:
    """This host in its cluster. ``me.id`` is its name among the others, ``me.address`` where they reach it.

    ``living`` knows which of the others renew their leases, while somebody watches, and ``timing`` how takeovers wait.
    """

    stores: Stores
    me: ClusterHost
    outbox: Outbox
    living: LivingHosts
    timing: Timing
    joined: list[Membership]  # one, after ``start``
    takeovers: list[Takeover] = field(default_factory=list)  # one, after ``start``

    def seen_from_here(self) -> ClusterView:
        """Return the cluster as overlay networks use it."""
        here = self.me.id, self.me.address
        return ClusterView(self.stores.shared, self.outbox, self._alive, *here, self.living.alive)

    def _alive(self, host: str) -> bool:
        try:
            return self.stores.shared.get(ClusterHost, host) is not None
        except Unreadable:
            return True  # somebody renews it

    def addresses(self, pynet: Pynet, host: Host) -> ClusterAddresses:
        """Return the manager of the shared addresses."""
        here = ThisHost(self.me.id, host.networks, host.supernets, pynet.reaper.retries)
        return ClusterAddresses(self.stores, self.outbox, here)

    def start(self, pynet: Pynet, host: Host, addresses: ClusterAddresses) -> list[Troubled]:
        """Start the threads, and return them."""
        crowd = Crowd(self.stores.shared)

        def repair() -> None:
            crowd.look()
            clean = crowd.cleans()
            addresses.repair(clean=clean)
            if clean:
                drop_unused_networks(self.stores.shared)
            pynet.presence.sweep()
            pynet.presence.mend()
            pynet.secrecy.sweep()

        def check() -> None:
            addresses.repair.own()
            pynet.presence.mend()

        peers = resume(pynet, host.store)
        upkeep = Upkeep(self.outbox, repair, stretch=crowd.stretch)
        upkeep.when_back(check)
        lease = Membership(self.stores.shared, self.me, upkeep.returned)
        self.joined.append(lease)
        Responder(self.stores.shared, self.me.id).start()
        self.takeovers.append(self._take_over(pynet, host))
        beside = self._announce_names(pynet, host).start(), self.takeovers[0].start()
        return [peers, lease.start(), upkeep.start(), *beside, pynet.secrets]

    def countdowns(self) -> Sequence[Countdown]:
        """Return the dead hosts that this one takes over after some time."""
        return [countdown for takeover in self.takeovers for countdown in takeover.countdowns()]

    def taken_over(self) -> int:
        """Return the number of dead hosts that this one has taken over."""
        return sum(takeover.done for takeover in self.takeovers)

    def _take_over(self, pynet: Pynet, host: Host) -> Takeover:
        sharing = SharingHosts(self.living, pynet.peers.watching)
        taking = Taking(self.stores.shared, self.me.id, lambda: secrets.token_hex(4))
        return Takeover(host.store, sharing, taking, self.timing)

    def _announce_names(self, pynet: Pynet, host: Host) -> NameAnnouncer:
        watching = pynet.peers.watching
        stores, where = (host.store, self.stores.shared), watching.network_id
        names = NameAnnouncer(stores, watching.names, host.told.of, where, self.me.id)
        names.when_needed(self.living.watch)
        host.told.listen(names.renamed)
        return names

    def trouble(self) -> str:
        """Return "" if the cluster store answered the last renewal of this host."""
        if any(lease.available for lease in self.joined):
            return ""
        return "the cluster store does not answer: networks on this host work, joins of shared networks fail"


def open_cluster(settings: Settings, local: Store, kernel: Kernel, wrap: Wrap) -> JoinedCluster | None:
    """Open the cluster store, if there is one; a store that does not answer yet is waited for in the background.

    ``wrap`` is put around it, and around the clock of takeovers.

    Raises:
        InvalidRequest: the address for other hosts is not one of this host's, or a certificate cannot be read.
        Failed: the store refuses the credentials.
    """
    if settings.store is None:
        return None
    shared: ClusterStore = wrap("cluster", open_cluster_store(settings.store, settings.access))
    identity = host_identity(local, settings.state_dir / HOST_ID)
    address = advertised_address(settings.advertise, settings.store, kernel.addresses(), identity.address)
    local.transact(Put(replace(identity, address=address)))
    with suppress(StoreAway):
        shared.get(KnownHost, identity.id)
    me = ClusterHost(identity.id, socket.gethostname(), address, int(time.time()))
    joined = list[Membership]()
    timing = wrap("timing", Timing())
    living = LivingHosts(shared, lambda: joined[0].answering_since if joined else None, timing.clock)
    return JoinedCluster(Stores(local, shared), me, Outbox(local, shared, HOST_KINDS), living, timing, joined)


def resume(pynet: Pynet, store: Store) -> Loop[Any]:
    """Go on with the networks of ``store``, follow the other hosts, and return the thread that does it."""
    for item in store.list(Network):
        try:
            if item.record.mode in pynet.modes:
                pynet.modes[item.record.mode].resume(item.record)
        except (KernelError, PynetError) as error:
            log.warning("network not resumed", network=item.record.id[:12], error=str(error))
    pynet.secrets.start()
    return pynet.peers.start(pynet.presence.mend, pynet.end_flows)
