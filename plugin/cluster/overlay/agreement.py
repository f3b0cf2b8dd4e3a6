"""Lets hosts agree on a network: the first one sets VNI, port, MTU and subnets, and the others must want the same.

Every change is a compare-and-set on the network's record. A host that joins writes the record again: its revision
changes, so that another host that is removing it as the last member is refused.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from netlink.deadline import within
from plugin.cluster.overlay.records import ClusterNetwork, Member, VniClaim
from plugin.cluster.removals import Removals
from plugin.cluster.secrecy.records import TUNNELS
from plugin.errors import Busy, Conflict, InvalidRequest, PynetError
from plugin.model.names import WIREGUARD
from plugin.model.records import NetworkSubnet
from plugin.options.takeover import takeover_text
from plugin.store.base import ABSENT, Put, Remove, SharedStore, StoreConflict, Unreadable, Versioned
from plugin.store.remote.patience import REQUEST

log = structlog.get_logger()

ATTEMPTS = 10  # at a transaction that other hosts keep overtaking
FIRST_VNI, LAST_VNI = 4096, (1 << 24) - 1  # given out automatically; lower ones are left for people to choose


class Agreement:
    """Joins and leaves networks for this host."""

    def __init__(self, store: SharedStore, removals: Removals) -> None:
        self._store = store
        self._removals = removals

    def join(self, wish: ClusterNetwork, member: Member, room: int) -> ClusterNetwork:
        """Return the agreed network. ``vni`` 0 and ``mtu`` 0 in the wish mean any; ``room`` is the largest MTU here.

        Raises:
            Conflict: the hosts that have the network want something else, or another network has the VNI.
            InvalidRequest: the MTU does not fit into this host's link.
        """
        with within(REQUEST):
            self._removals.keep(member)
            return self._join(wish, member, room)

    def _join(self, wish: ClusterNetwork, member: Member, room: int) -> ClusterNetwork:
        for _ in range(ATTEMPTS):
            known = self._store.get(ClusterNetwork, wish.name)
            others = self._others(member)
            _refuse_clear(member, others)
            _refuse_families(member, others)
            try:
                if known and (others or self._has_unread(member)):
                    agreed = _completed(known.record, others)
                    return self._follow(wish, member, room, Versioned(agreed, known.revision))
                return self._settle(wish, member, room, known)
            except StoreConflict:
                continue  # another host was faster: read again
        raise Busy(f"join network '{wish.name}': other hosts kept changing it")

    def leave(self, member: Member) -> None:
        """Remove this host's membership, and the network after its last one, now or at a repair."""
        if not self._removals.take_back(member):
            return  # a network without members binds nobody
        try:
            with within(REQUEST):
                _drop_unused(self._store, self._store.get(ClusterNetwork, member.network))
        except PynetError as error:
            log.info("network left in the cluster store", network=member.network, error=str(error))

    def _others(self, member: Member) -> Sequence[Member]:
        found = [item.record for item in self._store.list(Member, f"{member.network}/")]
        return [other for other in found if other.host != member.host]

    def _has_unread(self, member: Member) -> bool:
        """Return whether there are members that cannot be read: their agreement binds all the same."""
        aside = self._store.set_aside(Member, f"{member.network}/")
        return any(not key.startswith(f"{member.network}/{member.host}/") for key in aside)

    def _follow(
        self, wish: ClusterNetwork, member: Member, room: int, known: Versioned[ClusterNetwork]
    ) -> ClusterNetwork:
        """Accept the agreement of the others, or raise ``Conflict`` with both values."""
        for what, mine, theirs in _compared(wish, known.record):
            if mine != theirs:
                raise Conflict(
                    f"network '{wish.name}' has {what} {theirs} on the other hosts, and this host was told {mine}"
                )
        agreed = check_room(known.record, room)
        self._store.transact(Put(agreed, expect=known.revision), Put(member))
        return agreed

    def _settle(
        self, wish: ClusterNetwork, member: Member, room: int, stale: Versioned[ClusterNetwork] | None
    ) -> ClusterNetwork:
        """Write the agreement; this host is the first."""
        vni = wish.vni or self._free_vni(wish.name)
        network = check_room(replace(wish, vni=vni, mtu=wish.mtu or room), room)
        claim = self._store.get(VniClaim, str(vni))
        if claim and claim.record.network != wish.name and _has_members(self._store, claim.record.network):
            raise Conflict(f"VNI {vni} belongs to network '{claim.record.network}'")
        old = _claims(self._store, stale.record) if stale and stale.record.vni != vni else []
        self._store.transact(
            Put(network, expect=stale.revision if stale else ABSENT),
            Put(VniClaim(vni, wish.name), expect=claim.revision if claim else ABSENT),
            Put(member),
            *old,
        )
        return network

    def _free_vni(self, name: str) -> int:
        """Return a free VNI; the search begins at a hash of the name, so that hosts rarely choose the same."""
        count = LAST_VNI - FIRST_VNI + 1
        start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        for step in range(count):
            vni = FIRST_VNI + (start + step) % count
            with suppress(Unreadable):  # somebody has it
                claim = self._store.get(VniClaim, str(vni))
                if claim is None or claim.record.network == name:
                    return vni
        raise Conflict("every VNI of the cluster is taken")


def drop_unused_networks(store: SharedStore) -> None:
    """Remove the networks that have no members any more."""
    networks = store.list(ClusterNetwork)  # before the members: a host that joins writes the network again
    members = {item.record.network for item in store.list(Member)}
    for known in networks:
        if known.record.name not in members:
            with suppress(StoreConflict):  # a host joins at this moment
                _drop_unused(store, known)


def _drop_unused(store: SharedStore, known: Versioned[ClusterNetwork] | None) -> None:
    if known and not _has_members(store, known.record.name):
        store.transact(Remove(ClusterNetwork, known.record.name, known.revision), *_claims(store, known.record))


def _has_members(store: SharedStore, network: str) -> bool:
    """Return whether a host has the network; a host whose record cannot be read counts."""
    return bool(store.list(Member, f"{network}/")) or bool(store.set_aside(Member, f"{network}/"))


def _claims(store: SharedStore, network: ClusterNetwork) -> list[Remove]:
    """Return the removal of the claim to the VNI of ``network``, unless another network has claimed it since."""
    claim = store.get(VniClaim, str(network.vni))
    mine = claim and claim.record.network == network.name
    return [Remove(VniClaim, claim.record.key, claim.revision)] if claim and mine else []


def check_room(network: ClusterNetwork, room: int) -> ClusterNetwork:
    """Return ``network``; raises ``InvalidRequest`` when its MTU is larger than ``room`` or too small for IPv6."""
    if network.mtu > room:
        raise InvalidRequest(
            f"network '{network.name}' has MTU {network.mtu}, and through the link to the other hosts this host can "
            f"carry {room}"
        )
    if network.mtu < 1280 and any(subnet.pool.version == 6 for subnet in network.subnets):
        raise InvalidRequest(f"network '{network.name}' has MTU {network.mtu}, and IPv6 needs 1280 (RFC 8200)")
    return network


def _completed(network: ClusterNetwork, members: Iterable[Member]) -> ClusterNetwork:
    """Return the network with what an earlier pynet left out when it joined and wrote the record again."""
    return replace(network, takeover=max((member.takeover for member in members), default=0) or network.takeover)


def _compared(wish: ClusterNetwork, agreed: ClusterNetwork) -> Iterable[tuple[str, object, object]]:
    yield "subnets", _text(wish.subnets), _text(agreed.subnets)
    if wish.vni:
        yield "VNI", wish.vni, agreed.vni
    if wish.mtu:
        yield "MTU", wish.mtu, agreed.mtu
    yield "UDP port", wish.udp_port, agreed.udp_port
    yield "internal", str(wish.internal).lower(), str(agreed.internal).lower()
    yield "takeover", takeover_text(wish.takeover), takeover_text(agreed.takeover)
    yield "pynet.tunnel", wish.tunnel, agreed.tunnel
    yield "encryption", wish.encrypt or "off", agreed.encrypt or "off"


def _text(subnets: Iterable[NetworkSubnet]) -> str:
    return ", ".join(
        f"{subnet.pool} with gateway {subnet.gateway.ip}" if subnet.gateway else f"{subnet.pool} without gateway"
        for subnet in sorted(subnets, key=lambda subnet: subnet.pool.version)
    )


def _refuse_clear(member: Member, others: Iterable[Member]) -> None:
    """Refuse a host that would send in the clear what others encrypt, or the other way round.

    Their addresses tell it, also after a pynet that does not know of encryption has written the agreement again.
    """
    for other in others:
        if (other.address in TUNNELS) is not (member.address in TUNNELS):
            theirs, mine = ("off", WIREGUARD) if member.address in TUNNELS else (WIREGUARD, "off")
            raise Conflict(
                f"network '{member.network}' has encryption {theirs} on host '{other.host}', and this host was told "
                f"{mine}: all must have the same pynet.encrypt"
            )


def _refuse_families(member: Member, others: Iterable[Member]) -> None:
    for other in others:
        if other.address.version != member.address.version:
            raise Conflict(
                f"host '{other.host}' of network '{member.network}' is reached at {other.address}, and this host at "
                f"{member.address}: all must be reached by one family, see PYNET_ADVERTISE"
            )
