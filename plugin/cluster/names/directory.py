"""The names that hosts told each other in the cluster store, by network. While the store is away the last ones stay."""

import threading
from collections.abc import Callable, Mapping, Sequence

from plugin.cluster.names.records import ClusterName
from plugin.model.holders import Holders
from plugin.protocol.messages import Address
from plugin.store.base import Event, Versioned

ANYBODY = ""  # in the place of a key: all records of the network were listed


class _Network:
    """The records of one network by key, and the keys by name and address."""

    def __init__(self) -> None:
        self.by_key: dict[str, Versioned[ClusterName]] = {}
        self.holders = Holders[str | Address]()

    def put(self, item: Versioned[ClusterName]) -> None:
        """Add a record in the place of the one with its key."""
        key = item.record.key
        self.drop(key)
        self.by_key[key] = item
        self.holders.add(key, (*item.record.names, *item.record.addresses))

    def drop(self, key: str) -> None:
        """Remove a record, if it is there."""
        item = self.by_key.pop(key, None)
        if item is not None:
            self.holders.remove(key, (*item.record.names, *item.record.addresses))

    def holding(self, owned: str | Address) -> Sequence[ClusterName]:
        """Return the records with a name or an address."""
        items = [self.by_key.get(key) for key in self.holders.of(owned)]
        return [item.record for item in items if item]


class NameDirectory:
    """Takes listings and changes, from several threads; questions are answered at once, without a lock."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards changes of _networks
        self._networks: dict[str, _Network] = {}
        self._changed: Callable[[str, str], object] = lambda *_: None

    def listen(self, changed: Callable[[str, str], object]) -> None:
        """Call ``changed`` with a network and the key of a record, or ``ANYBODY``, after each change."""
        self._changed = changed

    def listed(self, network: str, items: Sequence[Versioned[ClusterName]]) -> None:
        """Replace all records of a network by a listing."""
        new = _Network()
        for item in items:
            new.put(item)
        with self._guard:
            self._networks[network] = new
        self._changed(network, ANYBODY)

    def heard(self, network: str, event: Event) -> None:
        """Take a change of one record; an older one than the known is passed over."""
        with self._guard:
            known = self._networks.setdefault(network, _Network())
            before = known.by_key.get(event.key)
            if before and before.revision > event.revision:
                return
            if isinstance(event.record, ClusterName):
                known.put(Versioned(event.record, event.revision))
            else:
                known.drop(event.key)
        self._changed(network, event.key)

    def touch(self, network: str, endpoint: str) -> None:
        """Note that an endpoint of this host has changed."""
        self._changed(network, f"{network}/{endpoint}")

    def drop(self, network: str) -> None:
        """Forget a network that this host has no more."""
        with self._guard:
            self._networks.pop(network, None)

    def get(self, network: str, key: str) -> ClusterName | None:
        """Return a record by its key."""
        known = self._networks.get(network)
        item = known.by_key.get(key) if known else None
        return item.record if item else None

    def named(self, network: str, name: str) -> Sequence[ClusterName]:
        """Return the endpoints that have a name."""
        known = self._networks.get(network)
        return known.holding(name) if known else ()

    def at(self, network: str, address: Address) -> Sequence[ClusterName]:
        """Return the endpoints that have an address."""
        known = self._networks.get(network)
        return known.holding(address) if known else ()

    def all(self, network: str) -> Mapping[str, ClusterName]:
        """Return all records of a network, by key."""
        with self._guard:
            known = self._networks.get(network)
            return {key: item.record for key, item in known.by_key.items()} if known else {}
