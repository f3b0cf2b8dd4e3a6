"""Counts the networks that need each setting of the host, so that no removal has to ask all the others."""

from collections import Counter
from collections.abc import Collection


class SettingUsers:
    """Networks and the paths that they need; the caller ensures that one thread at a time changes it."""

    def __init__(self) -> None:
        self._needed: dict[str, Collection[str]] = {}  # paths, by network id
        self._users: Counter[str] = Counter()  # networks that need a path

    def __contains__(self, path: str) -> bool:
        return path in self._users

    def add(self, network_id: str, paths: Collection[str]) -> None:
        """Note that a network needs ``paths``; it may be known already."""
        if network_id not in self._needed:
            self._needed[network_id] = paths
            self._users.update(paths)

    def remove(self, network_id: str) -> list[str]:
        """Forget a network, and return the paths that no other needs."""
        gone = []
        for path in self._needed.pop(network_id, ()):
            self._users[path] -= 1
            if not self._users[path]:
                del self._users[path]
                gone.append(path)
        return gone

    def paths(self) -> set[str]:
        """Return the paths that are needed."""
        return set(self._users)
