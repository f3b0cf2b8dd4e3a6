"""Writes the names of this host's endpoints to the cluster store, in the background: one write for each change.

The record of an endpoint is compared with what the engine told, whenever one of them changes. So a crash, an outage of
the store or ``pynet cluster forget`` leaves nothing to repair but a difference. Names that the engine has not told yet,
as after a restart of pynet, are left as they are in the store.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

from plugin.background.loop import Loop, alive
from plugin.cluster.names.directory import ANYBODY, NameDirectory
from plugin.cluster.names.records import MOST_NAMES, ClusterName
from plugin.engine.endpoint_names import EndpointName
from plugin.model.records import Endpoint, Network
from plugin.store.base import CHUNK, Change, Put, Remove, Store

PAUSES = (0.5, 5.0)  # seconds between two attempts while the store is away: the first time, and at most


class NameAnnouncer:
    """Announces the endpoints of ``host``, which is the id of this host.

    ``told`` returns what the engine said of an endpoint, and ``network_id`` the id of a network in this host's own
    store, by the name that hosts share; None without it.
    """

    def __init__(
        self,
        stores: tuple[Store, Store],
        directory: NameDirectory,
        told: Callable[[str], EndpointName | None],
        network_id: Callable[[str], str | None],
        host: str,
    ) -> None:
        self._local, self._shared = stores
        self._directory = directory
        self._told = told
        self._host = host
        self._network_id = network_id
        self._guard = threading.Lock()  # guards _due
        self._due: set[tuple[str, str]] = set()  # network and key, or ANYBODY
        self._bell = threading.Event()
        self._written: set[str] = set()  # keys of records whose arrival the watch may not have reported yet
        self._needed: Callable[[], object] | None = None
        directory.listen(self.changed)

    def start(self) -> Loop[set[tuple[str, str]]]:
        """Start the thread that writes, and return it."""
        return Loop("names of endpoints", self.wait, self.write, pauses=PAUSES).start()

    def when_needed(self, needed: Callable[[], object]) -> None:
        """Call ``needed`` once, when this host has the first network whose names hosts share."""
        self._needed = needed

    def changed(self, network: str, key: str) -> None:
        """Compare the record at ``key`` soon, or all of the network."""
        with self._guard:
            self._due.add((network, key))
        self._bell.set()

    def renamed(self, network_id: str, endpoint: str) -> None:
        """Note that the engine told something about an endpoint."""
        item = self._local.get(Network, network_id)
        if item and item.record.overlay:
            self.changed(item.record.overlay.network, f"{item.record.overlay.network}/{endpoint}")

    def write(self, due: Iterable[tuple[str, str]]) -> None:
        """Write the differences; if that fails they stay due, and the loop tries again.

        Raises:
            PynetError: the store is away.
        """
        due = set(due)
        needed, self._needed = self._needed, None
        if needed:
            needed()
        try:
            changes = self._changes(due)
            for start in range(0, len(changes), CHUNK):
                alive()
                self._transact(changes[start : start + CHUNK])
        except BaseException:
            with self._guard:
                self._due |= due
            self._bell.set()
            raise

    def _transact(self, changes: Sequence[Change]) -> None:
        self._written |= {change.record.key for change in changes if isinstance(change, Put)}
        self._shared.transact(*changes)
        self._written -= {change.key for change in changes if isinstance(change, Remove)}

    def _changes(self, due: Iterable[tuple[str, str]]) -> list[Change]:
        keys = {(network, key) for network, one in due for key in ([one] if one != ANYBODY else self._all(network))}
        found = (self._change(network, key) for network, key in sorted(keys))
        return [change for change in found if change]

    def _all(self, network: str) -> set[str]:
        """Return the keys of this host's endpoints of a network, and of its records there."""
        there = {key for key, record in self._directory.all(network).items() if record.host == self._host}
        network_id = self._network_id(network)
        own = self._local.list(Endpoint, f"{network_id}/") if network_id else ()
        return there | {f"{network}/{item.record.id}" for item in own}

    def _change(self, network: str, key: str) -> Change | None:
        network_id = self._network_id(network)
        endpoint_id = key.removeprefix(f"{network}/")
        known = self._directory.get(network, key)
        if known and known.host != self._host:
            return None
        item = self._local.get(Endpoint, f"{network_id}/{endpoint_id}") if network_id else None
        if item is None or item.record.taken:
            return Remove(ClusterName, key) if known or key in self._written else None
        told = self._told(endpoint_id)
        if told is None:
            return None
        addresses = tuple(own.ip for own in (item.record.ipv4, item.record.ipv6) if own)
        wanted = ClusterName(network, endpoint_id, self._host, told.names[:MOST_NAMES], addresses)
        return Put(wanted) if addresses and wanted != known else None

    def wait(self) -> set[tuple[str, str]]:
        """Wait for changes, and return what to compare."""
        self._bell.wait()
        self._bell.clear()
        with self._guard:
            due, self._due = self._due, set()
        return due


def sweep_names(shared: Store, network: str, host: str) -> None:
    """Remove this host's records of a network that it does not have; raises ``PynetError``."""
    stray = [item for item in shared.list(ClusterName, f"{network}/") if item.record.host == host]
    for start in range(0, len(stray), CHUNK):
        part = stray[start : start + CHUNK]
        shared.transact(*(Remove(ClusterName, item.record.key) for item in part))
