"""Knows which networks are on which parent (``plugin.host.parents``)."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from plugin.errors import PynetError
from plugin.model.records import Network
from plugin.store.base import Store


class ParentUsers:
    """Networks that exist or are being made, by their parent. May be used from any thread.

    They are kept in memory, because only this process changes them; the store is read once, at the first question,
    which may raise ``Failed`` or ``Busy``.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards what follows
        self._read = False
        self._networks: dict[str, Network] = {}
        self._ids: dict[str, set[str]] = {}  # of networks, by the name of their parent
        self._indices: Mapping[str, int] = {}  # of parents, by name; replaced and never changed

    def beside(self, network: Network) -> Sequence[Network]:
        """Return the other networks on the parent of ``network``."""
        with self._lock:
            self._read_records()
            return [self._networks[other] for other in sorted(self._ids.get(network.link, set()) - {network.id})]

    def has(self, name: str) -> bool:
        """Return whether a network is on the parent ``name``."""
        with self._lock:
            self._read_records()
            return name in self._ids

    def indices(self) -> Mapping[str, int]:
        """Return the indices of all parents when they were last seen, by name; nothing if the store cannot be read."""
        if not self._read:
            with self._lock, suppress(PynetError):
                self._read_records()
        return self._indices

    def note(self, network: Network) -> None:
        """Note a new network, or the new parent of a known one."""
        with self._lock:
            self._read_records()
            self._note(network)
            self._index()

    def drop(self, network_id: str) -> Network | None:
        """Forget a network, and return it as it was noted, None if it was not."""
        with self._lock:
            self._read_records()
            known = self._drop(network_id)
            self._index()
            return known

    def _read_records(self) -> None:
        if not self._read:
            for item in self._store.list(Network):
                if item.record.parent is not None:
                    self._note(item.record)
            self._read = True
            self._index()

    def _index(self) -> None:
        known = self._networks.values()
        self._indices = {network.link: network.parent.index for network in known if network.parent is not None}

    def _note(self, network: Network) -> None:
        self._drop(network.id)
        self._networks[network.id] = network
        self._ids.setdefault(network.link, set()).add(network.id)

    def _drop(self, network_id: str) -> Network | None:
        known = self._networks.pop(network_id, None)
        if known is not None:
            ids = self._ids[known.link]
            ids.discard(network_id)
            if not ids:
                del self._ids[known.link]
        return known
