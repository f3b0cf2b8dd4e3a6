"""What this host has in the cluster store: its place in networks, and its endpoints there."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import structlog

from plugin.cluster.agreement import PATIENCE, Removals
from plugin.cluster.peers import Peers
from plugin.cluster.records import ClusterNetwork, Member, Peer, VniClaim
from plugin.errors import Conflict, PynetError
from plugin.locks import Locks
from plugin.messages import Address
from plugin.model import Endpoint, Network, NetworkSubnet, Overlay
from plugin.store.base import ABSENT, Put, Remove, SharedStore, Store, StoreAway, StoreConflict
from plugin.store.remote.patience import within

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster as this host sees it: the store, who removes from it, and who is alive by their leases.

    ``host`` is this host's id, ``address`` where it takes the frames of the others.
    """

    store: SharedStore
    removals: Removals
    alive: Callable[[str], bool]
    host: str
    address: Address


class OwnRecords:
    """Writes and removes them, and mends what a crash, an outage or ``pynet cluster forget`` left wrong."""

    def __init__(self, local: Store, cluster: Cluster, peers: Peers, locks: Locks) -> None:
        self._local = local
        self._cluster = cluster
        self._peers = peers
        self._locks = locks
        self._written: set[str] = set()  # keys of endpoints since the start; their local records may follow
        self._tidied = False  # whether what an earlier run left has been removed

    def member(self, overlay: Overlay, network_id: str) -> Member:
        """Return the record of this host's place in a network."""
        return Member(overlay.network, self._cluster.host, network_id, self._cluster.address)

    def announce(self, overlay: Overlay, endpoint: Endpoint) -> None:
        """Tell the other hosts of an endpoint; the record is durable when this returns.

        Raises:
            Conflict: another host that is alive has the address. One that is not loses it.
            PynetError: the cluster store is away.
        """
        with within(PATIENCE):
            self._announce(self._peer(overlay, endpoint))

    def _announce(self, peer: Peer) -> None:
        doomed = []
        for known in self._peers.owners(peer.network, peer.addresses):
            there = self._cluster.store.get(Peer, known.key)
            if there is None:
                continue  # it has just gone
            if self._cluster.alive(known.host):
                raise Conflict(_taken(peer, known))
            doomed.append(Remove(Peer, known.key, there.revision))
        self._written.add(peer.key)
        self._cluster.store.transact(Put(peer), *doomed)

    def withdraw(self, overlay: Overlay, endpoint: Endpoint) -> None:
        """Take an endpoint back, now or when the store is back."""
        peer = self._peer(overlay, endpoint)
        self._cluster.removals.take_back(peer)
        self._written.discard(peer.key)

    def mend(self) -> None:
        """Write what is missing, and once after the start remove what an earlier run left."""
        if not self._peers.loaded:
            return
        try:
            networks = [item.record for item in self._local.list(Network) if item.record.overlay]
            went_well = self._mend_members(networks)
            self._tidied = self._mend_peers(networks) and went_well
        except PynetError as error:
            log.info("cluster store not brought in line", error=str(error))

    @staticmethod
    def _each(mend: Callable[[], object]) -> bool:
        """Mend one record and say whether that went well: one that cannot be mended keeps no others from it."""
        try:
            mend()
        except StoreAway:
            raise
        except PynetError as error:
            log.info("record of the cluster store not brought in line", error=str(error))
            return False
        return True

    def _mend_members(self, networks: list[Network]) -> bool:
        wanted = {m.key: m for n in networks if n.overlay and (m := self.member(n.overlay, n.id))}
        found = {i.record.key: i.record for i in self._peers.members.under("") if i.record.host == self._cluster.host}
        missing = [member for member in wanted.values() if found.get(member.key) != member]
        went_well = [self._each(partial(self._mend_member, member)) for member in missing]
        for key in set(found) - set(wanted) if not self._tidied else ():
            with self._locks.hold(f"network {found[key].network_id}"):
                if self._local.get(Network, found[key].network_id) is None:  # it may just have been made
                    self._remove([found[key]])
        return all(went_well)

    def _mend_member(self, member: Member) -> None:
        with self._locks.hold(f"network {member.network_id}"):
            known = self._local.get(Network, member.network_id)
            if known is not None:
                log.info("place in a network written anew", network=member.network)
                self._cluster.store.transact(Put(member))
                self._agree_again(known.record)

    def _agree_again(self, network: Network) -> None:
        """Write what the hosts agreed on if nobody knows it any more: the only member may have been forgotten."""
        if network.overlay is None:
            return
        mine = agreed_network(network, network.overlay)
        known = self._cluster.store.get(ClusterNetwork, mine.name)
        if known is None:
            claim = VniClaim(mine.vni, mine.name)
            try:
                self._cluster.store.transact(Put(mine, ABSENT), Put(claim, ABSENT))
            except StoreConflict:
                log.error("VNI is another network's by now", network=mine.name, vni=mine.vni)  # noqa: TRY400 - foreseen
        elif known.record != mine:
            log.error("network is another one by now", network=mine.name, mine=str(mine), theirs=str(known.record))

    def _mend_peers(self, networks: list[Network]) -> bool:
        wanted = {peer.key: (network, peer) for network in networks for peer in self._endpoints(network)}
        found = {i.record.key: i.record for i in self._peers.peers.under("") if i.record.host == self._cluster.host}
        missing = [pair for key, pair in wanted.items() if found.get(key) != pair[1]]
        went_well = [self._each(partial(self._write_anew, network, peer)) for network, peer in missing]
        if not self._tidied:
            self._remove(found[key] for key in set(found) - set(wanted) - self._written)
        return all(went_well)

    def _write_anew(self, network: Network, peer: Peer) -> None:
        others = [
            other for other in self._peers.owners(peer.network, peer.addresses) if self._cluster.alive(other.host)
        ]
        if others:
            log.warning("endpoint not announced anew", reason=_taken(peer, others[0]))
            return
        with self._locks.hold(f"network {network.id}", f"endpoint {peer.endpoint}"):
            if self._local.get(Endpoint, f"{network.id}/{peer.endpoint}"):
                log.info("endpoint announced anew", network=peer.network, endpoint=peer.endpoint[:12])
                self._cluster.store.transact(Put(peer))

    def _remove(self, records: Iterable[Member | Peer]) -> None:
        for record in records:
            log.info("record of an earlier run removed", kind=record.kind, key=record.key)
            self._cluster.removals.take_back(record)

    def _endpoints(self, network: Network) -> Iterator[Peer]:
        for item in self._local.list(Endpoint, f"{network.id}/"):
            if network.overlay and item.record.mac:  # of one that was rebuilt it may not be known
                yield self._peer(network.overlay, item.record)

    def _peer(self, overlay: Overlay, endpoint: Endpoint) -> Peer:
        return Peer(overlay.network, endpoint.id, self._cluster.host, endpoint.mac, endpoint.ipv4, endpoint.ipv6)


def agreed_network(network: Network, overlay: Overlay) -> ClusterNetwork:
    """Return the record of what hosts agree on for ``network``; what of ``overlay`` is 0 is left to them."""
    subnets = tuple(NetworkSubnet(subnet.pool, subnet.gateway) for subnet in network.subnets)
    return ClusterNetwork(overlay.network, overlay.vni, overlay.port, overlay.mtu, network.internal, subnets)


def _taken(peer: Peer, other: Peer) -> str:
    addresses = ", ".join(str(address) for address in peer.addresses if address in other.addresses)
    return (
        f"address {addresses} of network '{peer.network}' belongs to endpoint '{other.endpoint[:12]}' on host "
        f"'{other.host}'; stop that container, or if the host is gone for good: pynet cluster forget {other.host}"
    )
