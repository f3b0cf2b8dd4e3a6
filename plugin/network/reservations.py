"""Sees to it that no two networks get one subnet or link name, not even if they are created at the same time.

The check and the reservation are one short critical section. The slow work happens outside of it, so creating one
network never waits for another.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from plugin.cluster.addresses.records import PoolUse
from plugin.engine.identity import Engines
from plugin.engine.names import Names
from plugin.errors import Conflict
from plugin.ipam.subnet_index import SubnetIndex
from plugin.model.records import Network
from plugin.modes.base import Capability, Mode
from plugin.protocol.messages import Subnet
from plugin.store.base import Store

# Spaces whose manager keeps subnets apart: the engine's own (moby daemon/libnetwork/ipams/defaultipam) and pynet's.
EXCLUSIVE = frozenset({"LocalDefault", "GlobalDefault", "pynet-local", "pynet-global"})


class NetworkReservations:
    """Knows the networks that exist or are being created. May be used from any thread.

    They are kept in memory, because only this process changes them, with an index of their subnets and links, so that
    a creation costs the same however many there are. The store is read once, at the first question.
    """

    def __init__(self, store: Store, names: Names, modes: Mapping[str, Mode]) -> None:
        self._store = store
        self._names = names
        self._modes = modes
        self._engines = Engines()
        self._lock = threading.Lock()  # guards everything below
        self._read = False
        self._networks: dict[str, Network] = {}
        self._pending: set[str] = set()  # ids of networks that are being created
        self._subnets = SubnetIndex()
        self._links: dict[str, str] = {}  # id of the network, by the link that it alone may have
        self._guests: dict[str, set[str]] = defaultdict(set)  # ids of the networks that share a link, by the link

    @contextmanager
    def reserve(self, network: Network) -> Iterator[None]:
        """Reserve the subnets and the link name of ``network`` for the block, and until ``release`` if it succeeds.

        Raises:
            Conflict: another network has one of them; the text names both.
        """
        with self._lock:
            for other in self._meeting(network):
                self._refuse(network, other)
            self._drop(network.id)
            self._note(network)
            self._pending.add(network.id)
        try:
            yield
        except BaseException:
            with self._lock:
                self._drop(network.id)
            raise
        with self._lock:
            self._pending.discard(network.id)
        self.note_caller(network.id)
        self._names.expect()

    def recall(self, networks: Iterable[Network]) -> None:
        """Take the records of all ``networks``, so that no request has to read them."""
        with self._lock:
            self._note_all(networks)

    def note_caller(self, network_id: str) -> None:
        """Note that the network belongs to the engine that calls now, because it names the network."""
        self._engines.note(network_id)

    def release(self, network_id: str) -> None:
        """Give back the subnets and the link name of a network that is removed."""
        with self._lock:
            self._read_records()
            self._drop(network_id)
        self._engines.forget(network_id)

    def given_up_for(self, network: Network) -> list[Network]:
        """Return the networks that the engine has given up, because it gives their subnet to ``network``.

        An address manager gives nothing to two at once (``plugin.network.address_owners``).

        Raises:
            Conflict: a network that has a subnet or the link belongs to another engine that is running.
        """
        others = self._overlapping(network)
        uses = Counter(item.record.subnet for item in self._store.list(PoolUse)) if others else {}
        return [other for other in others if _has_subnet_of(network, other, uses)]

    def _overlapping(self, network: Network) -> list[Network]:
        with self._lock:
            found = [other for other in self._meeting(network) if other.id not in self._pending]
        for other in found:
            if process := self._engines.other(other.id):
                self._refuse(network, other, f", which another engine has (process {process})")
        return found

    def _meeting(self, network: Network) -> list[Network]:
        """Return the other networks that have the link of ``network``, or a subnet that overlaps one of its own."""
        self._read_records()
        ids = [self._links.get(network.link, ""), *(self._guests.get(self._own_link(network), ()))]
        ids += [other for pool in _pools(network) for other in self._subnets.overlapping(pool)]
        return [self._networks[other] for other in dict.fromkeys(ids) if other not in ("", network.id)]

    def _read_records(self) -> None:
        if not self._read:
            self._note_all(item.record for item in self._store.list(Network))

    def _note_all(self, networks: Iterable[Network]) -> None:
        for network in networks:
            self._note(network)
        self._read = True

    def _note(self, network: Network) -> None:
        self._networks[network.id] = network
        for pool in _pools(network):
            self._subnets.add(pool, network.id)
        if link := self._own_link(network):
            self._links[link] = network.id
        else:
            self._guests[network.link].add(network.id)

    def _drop(self, network_id: str) -> None:
        network = self._networks.pop(network_id, None)
        self._pending.discard(network_id)
        if network is None:
            return
        for pool in _pools(network):
            self._subnets.remove(pool, network_id)
        if self._links.get(link := self._own_link(network)) == network_id:
            del self._links[link]
        self._guests[network.link].discard(network_id)
        if not self._guests[network.link]:
            del self._guests[network.link]

    def _own_link(self, network: Network) -> str:
        """Return the link of ``network``, "" where several networks may be on one."""
        mode = self._modes.get(network.mode)
        return "" if mode is not None and Capability.SHARES_LINK in mode.does else network.link

    def _refuse(self, new: Network, other: Network, whose: str = "") -> None:
        name = self._names.network(other.id)
        if new.link == other.link and (self._own_link(new) or self._own_link(other)):
            raise Conflict(f"link '{new.link}' belongs to network {name} already{whose}")
        for mine in _pools(new):
            for theirs in _pools(other):
                if mine.version == theirs.version and mine.overlaps(theirs):
                    raise Conflict(f"subnet {mine} overlaps subnet {theirs} of network {name}{whose}")


def _pools(network: Network) -> list[Subnet]:
    """Return the subnets in which the host has addresses, and which no other network may have."""
    return [subnet.pool for subnet in network.subnets if network.on_host]


def _has_subnet_of(network: Network, other: Network, uses: Mapping[Subnet, int]) -> bool:
    """Return whether the address manager that gave ``network`` its subnets thereby took one from ``other``.

    Networks may share a pool of the cluster: ``uses`` counts the networks of this host that use each pool now.
    """
    return any(
        mine.space in EXCLUSIVE
        and mine.space == theirs.space
        and uses.get(mine.pool, 1) == 1
        and mine.pool.version == theirs.pool.version
        and mine.pool.overlaps(theirs.pool)
        for mine in network.subnets
        for theirs in other.subnets
    )
