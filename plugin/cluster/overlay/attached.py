"""The networks whose tables this host writes, and which of them are to be written next."""

import threading
from collections.abc import Collection, Sequence

from plugin.cluster.overlay.network_tables import NetworkTables


class Attached:
    """Networks by their name in the cluster; several threads use it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards all below
        self._local: dict[str, NetworkTables] = {}
        self._dirty: set[str] = set()
        self._listed: set[str] = set()  # networks whose records were listed since the kernel's tables were read

    def get(self, name: str) -> NetworkTables | None:
        """Return a network, None if it is not attached."""
        with self._guard:
            return self._local.get(name)

    def all(self) -> Sequence[NetworkTables]:
        """Return all networks."""
        with self._guard:
            return list(self._local.values())

    def take(self, name: str) -> NetworkTables | None:
        """Remove a network and return it, if it is attached."""
        with self._guard:
            return self._local.pop(name, None)

    def put(self, local: NetworkTables) -> None:
        """Add a network whose tables were just read."""
        with self._guard:
            self._local[local.name] = local
            self._listed.discard(local.name)

    def note(self, name: str, *, listed: bool) -> None:
        """Note that a network is to be written; the kernel's tables are read before if its records were ``listed``."""
        with self._guard:
            self._dirty.add(name)
            if listed:
                self._listed.add(name)

    def note_routed(self, *, lost: bool) -> None:
        """Note that routes may have changed; those of the kernel are read if some may be ``lost``."""
        with self._guard:
            routed = [name for name, local in self._local.items() if local.is_routed]
            self._dirty.update(routed)
            self._listed.update(routed if lost else ())

    def links(self) -> Collection[str] | None:
        """Return the links by which routes lead to other hosts; None if no network is routed."""
        with self._guard:
            routed = [local.links for local in self._local.values() if local.is_routed]
        return frozenset[str]().union(*routed) if routed else None

    def due(self, *, everything: bool) -> list[tuple[NetworkTables, bool]]:
        """Return the networks whose tables have to be written, and whether to read the kernel's before."""
        with self._guard:
            due = [
                (local, everything or name in self._listed)
                for name, local in self._local.items()
                if everything or name in self._dirty
            ]
            self._listed.clear()
            self._dirty.clear()
        return due
