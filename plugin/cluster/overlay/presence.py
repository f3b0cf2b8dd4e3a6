"""This host's records in the cluster store: its membership in networks, and its endpoints there."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import IPv6Address

import structlog

from netlink.deadline import within
from netlink.values import dataclass
from plugin.cluster.names.announcing import sweep_names
from plugin.cluster.overlay.announcements import AddressTaken, Announcements
from plugin.cluster.overlay.records import ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.overlay.table_sync import TableSync
from plugin.cluster.removals import Removals
from plugin.cluster.secrecy.records import tunnel_address
from plugin.errors import PynetError
from plugin.model.records import Endpoint, Network, NetworkSubnet, Overlay
from plugin.options.tunnel import uses_routes
from plugin.protocol.messages import Address
from plugin.request.locks import LockName, Locks, endpoint_locks
from plugin.store.base import ABSENT, Put, SharedStore, Store, StoreAway, StoreConflict
from plugin.store.remote.patience import REQUEST

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as this host sees it: the store, how to remove records, and which hosts renew their leases.

    ``host`` is this host's id; it receives frames from the others at ``address``. ``lives`` answers at once whether a
    host renews its lease, by what the store told last.
    """

    store: SharedStore
    removals: Removals
    alive: Callable[[str], bool]
    host: str
    address: Address
    lives: Callable[[str], bool] = lambda _: True


class Presence:
    """Writes and removes them, and mends them after a crash, an outage or ``pynet cluster forget``.

    ``link_local`` returns the IPv6 address at which neighbours of this host reach it.
    """

    def __init__(
        self,
        local: Store,
        cluster: ClusterView,
        peers: TableSync,
        locks: Locks,
        link_local: Callable[[], IPv6Address | None] = lambda: None,
    ) -> None:
        self._link_local = link_local
        self._local = local
        self._cluster = cluster
        self._peers = peers
        self._locks = locks
        self._announcements = Announcements(cluster.store, cluster.removals, cluster.alive)
        self._taken: Callable[[Endpoint, str], object] = lambda _endpoint, _host: None

    def when_taken(self, taken: Callable[[Endpoint, str], object]) -> None:
        """Call ``taken`` with an endpoint whose address another host has, and that host's id: "" when it is free."""
        self._taken = taken

    def member(self, overlay: Overlay, network_id: str) -> Member:
        """Return the record of this host's membership in a network."""
        near = self._link_local() if uses_routes(overlay.tunnel) else None
        host, own = self._cluster.host, self._peers.own(overlay.network)
        here = (host, network_id, tunnel_address(host) if overlay.encrypt else self._cluster.address)
        return Member(overlay.network, *here, overlay.takeover, near, own.behind if own else ())

    def membership(self, overlay: Overlay, network_id: str) -> Member:
        """Return that record as the store has it, if that is known: the host's link may have another address by now."""
        wanted, own = self.member(overlay, network_id), self._peers.own(overlay.network)
        return own.members.get(wanted.key, wanted) if own else wanted

    def announce(self, overlay: Overlay, endpoint: Endpoint) -> None:
        """Announce an endpoint as ``Announcements.announce`` does; the record is durable when this returns."""
        with within(REQUEST):
            self._announce(self._peer(overlay, endpoint))

    def _announce(self, peer: Peer) -> None:
        self._announcements.announce(peer, self._peers.claimants(peer.network, peer.addresses))

    def withdraw(self, overlay: Overlay, endpoint: Endpoint) -> None:
        """Withdraw an endpoint, now or when the store is back."""
        self._announcements.withdraw(self._peer(overlay, endpoint))

    def mend(self) -> None:
        """Write missing records of the networks of this host, and remove those of endpoints that it no longer has."""
        try:
            for item in self._local.list(Network):
                overlay = item.record.overlay
                own = self._peers.own(overlay.network) if overlay else None
                if overlay and own:
                    self._mend_members(self.member(overlay, item.record.id), own.members)
                    self._mend_peers(item.record, own.peers)
        except PynetError as error:
            log.info("cluster store not brought in line", error=str(error))

    def sweep(self) -> None:
        """Remove this host's records of networks that it does not have, after a crash or the loss of its own store.

        A membership is removed last, so that it leads to what is left. Raises ``PynetError``.
        """
        mine = [item.record for item in self._cluster.store.list(Member) if item.record.host == self._cluster.host]
        here = {item.record.overlay.network for item in self._local.list(Network) if item.record.overlay}
        for member in [member for member in mine if member.network not in here]:
            for item in self._cluster.store.list(Peer, f"{member.network}/"):
                if item.record.host == self._cluster.host:
                    self._each(partial(self._drop_peer, item.record))
            self._each(partial(sweep_names, self._cluster.store, member.network, self._cluster.host))
            self._each(partial(self._drop_member, member))

    @staticmethod
    def _each(mend: Callable[[], object]) -> None:
        """Mend one record; if that fails, the others are mended all the same."""
        try:
            mend()
        except StoreAway:
            raise
        except PynetError as error:
            log.info("record of the cluster store not brought in line", error=str(error))

    def _mend_members(self, wanted: Member, found: Mapping[str, Member]) -> None:
        if found.get(wanted.key) != wanted:
            self._each(partial(self._mend_member, wanted))
        for key in set(found) - {wanted.key}:
            self._each(partial(self._drop_member, found[key]))

    def _mend_member(self, member: Member) -> None:
        with self._locks.hold(LockName.network(member.network_id)):
            known = self._local.get(Network, member.network_id)
            if known is not None:
                log.info("membership in a network written again", network=member.network)
                self._cluster.removals.keep(member)
                self._cluster.store.transact(Put(member))
                self._agree_again(known.record)

    def _agree_again(self, network: Network) -> None:
        """Write the agreed network again if it is gone, as after its only member was forgotten."""
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

    def _mend_peers(self, network: Network, found: Mapping[str, Peer]) -> None:
        wanted = {peer.key: (endpoint, peer) for endpoint, peer in self._endpoints(network)}
        for endpoint, peer in wanted.values():
            if found.get(peer.key) != peer or endpoint.taken:
                self._each(partial(self._announce_again, endpoint, peer))
        for key in set(found) - set(wanted):
            self._each(partial(self._drop_peer, found[key]))

    def _announce_again(self, endpoint: Endpoint, peer: Peer) -> None:
        """Announce an endpoint, and tell if its address is another host's now, or is not any more."""
        by = ""
        with self._locks.hold(*endpoint_locks(endpoint.network_id, endpoint.id)):
            if self._local.get(Endpoint, endpoint.key) is None:
                return
            try:
                self._announce(peer)
            except AddressTaken as error:
                by = error.host
                if by != endpoint.taken:
                    log.warning("endpoint not announced again, its port is closed", reason=str(error))
            else:
                log.info("endpoint announced again", network=peer.network, endpoint=peer.endpoint[:12])
        if by != endpoint.taken:
            self._taken(endpoint, by)

    def _drop_member(self, member: Member) -> None:
        with self._locks.hold(LockName.network(member.network_id)):  # it may just have been made, or gone
            known = self._local.get(Network, member.network_id)
            if known is None and self._is_there(member):
                log.info("membership in a removed network withdrawn", network=member.network)
                self._cluster.removals.take_back(member)

    def _drop_peer(self, peer: Peer) -> None:
        with self._locks.hold(LockName.endpoint(peer.endpoint)):
            networks = [item.record for item in self._local.list(Network)]
            mine = [n for n in networks if n.overlay and n.overlay.network == peer.network]
            known = any(self._local.get(Endpoint, f"{network.id}/{peer.endpoint}") for network in mine)
            if not known and self._is_there(peer):
                log.info("removed endpoint withdrawn", network=peer.network, endpoint=peer.endpoint[:12])
                self._announcements.withdraw(peer)

    def _is_there(self, record: Member | Peer) -> bool:
        """Return whether the store has the record now. While it is away nothing is queued a second time."""
        there = self._cluster.store.get(type(record), record.key)
        return there is not None and there.record == record

    def _endpoints(self, network: Network) -> Iterator[tuple[Endpoint, Peer]]:
        for item in self._local.list(Endpoint, f"{network.id}/"):
            if network.overlay and item.record.mac:  # that of a rebuilt endpoint may not be known
                yield item.record, self._peer(network.overlay, item.record)

    def _peer(self, overlay: Overlay, endpoint: Endpoint) -> Peer:
        own, groups = (endpoint.mac, endpoint.ipv4, endpoint.ipv6), endpoint.readable_settings.groups
        return Peer(overlay.network, endpoint.id, self._cluster.host, *own, groups)


def agreed_network(network: Network, overlay: Overlay) -> ClusterNetwork:
    """Return the record on which hosts agree for ``network``; a value of 0 in ``overlay`` is left to them."""
    subnets = tuple(NetworkSubnet(subnet.pool, subnet.gateway) for subnet in network.subnets)
    ports = (0, overlay.port) if uses_routes(overlay.tunnel) else (overlay.port, 0)
    numbers = (overlay.vni, ports[0], overlay.mtu)
    more = (overlay.takeover, overlay.tunnel, ports[1])
    return ClusterNetwork(overlay.network, *numbers, network.internal, subnets, *more, encrypt=overlay.encrypt)
