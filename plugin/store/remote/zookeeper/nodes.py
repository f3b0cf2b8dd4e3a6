"""Records as nodes of ZooKeeper: ``/PREFIX/KIND/KEY`` with the key in percent-encoding, and two more.

ZooKeeper compares only a node's own version, which begins anew when a node is removed and made again. So every removal
increases the version of ``/PREFIX/.clock``, and a transaction that expects revisions checks that nothing was removed
since it read them.

kazoo can watch nodes one by one only. Every transaction writes the names of the records that it changed into one more
node, ``/PREFIX/.pulse/KIND``, and a watch follows that one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from plugin.store.base import ABSENT
from plugin.store.remote.address import key_of, name_of
from plugin.store.remote.zookeeper.client import Call, Session
from plugin.store.rows import Row, as_text

TOGETHER = 200  # nodes that are read at once

Node = tuple[bytes, Any] | None  # data and stat, None for a node that does not exist
Place = tuple[str, str]  # kind and key


class Nodes:
    """Reads the records below the folder ``prefix``."""

    def __init__(self, session: Session, prefix: str) -> None:
        self.session = session
        self._root = f"/{prefix}"
        self._made: set[str] = set()  # kinds whose folders were made

    @property
    def clock(self) -> str:
        """The node whose version every removal increases."""
        return f"{self._root}/.clock"

    def folder(self, kind: str) -> str:
        """Return the node above all records of a kind."""
        return f"{self._root}/{kind}"

    def pulse(self, kind: str) -> str:
        """Return the node that every transaction of a kind writes."""
        return f"{self._root}/.pulse/{kind}"

    def path(self, kind: str, key: str) -> str:
        """Return the node of a record."""
        return f"{self._root}/{kind}/{name_of(key)}"

    def rows(self, kind: str, prefix: str = "") -> Sequence[Row]:
        """Return the records of a kind, by key."""
        folder = self.folder(kind)
        _, names = self.session.ask("read", _sync(folder), lambda zoo: zoo.get_children_async(folder))
        keys = sorted(key for key in map(key_of, names or []) if key.startswith(prefix))
        parts = (self.read(kind, keys[at : at + TOGETHER]) for at in range(0, len(keys), TOGETHER))
        return [row for part in parts for row in part if row.body is not None]

    def read(self, kind: str, keys: Sequence[str]) -> Sequence[Row]:
        """Return the records with these keys, without a body for those that do not exist."""
        found = self.find([(kind, key) for key in keys])
        return [row_of(key, node) for (_, key), node in found.items()]

    def find(self, places: Sequence[Place]) -> Mapping[Place, Node]:
        """Return the nodes of records as they are now; the server that is asked first catches up with the others."""
        calls = [get(self.path(*place)) for place in places]
        found = self.session.ask("read", _sync(self._root), *calls)[1:]
        return dict(zip(places, found, strict=True))

    def clock_version(self) -> int:
        """Return the version of the clock, -1 when somebody emptied the store."""
        (node,) = self.session.ask("read", get(self.clock))
        return -1 if node is None else int(node[1].version)

    def make_folders(self, kind: str) -> None:
        """Make the nodes that records of a kind need; asks only once for each kind."""
        if kind not in self._made:
            paths = (self.folder(kind), self.pulse(kind), self.clock)
            self.session.ask("write", *(lambda zoo, path=path: zoo.ensure_path_async(path) for path in paths))
            self._made.add(kind)

    def forget_folders(self) -> None:
        """Make all folders again at their next use, because somebody may have emptied the store."""
        self._made.clear()


def get(path: str) -> Call:
    """Return the call that reads a node."""
    return lambda zoo: zoo.get_async(path)


def row_of(key: str, node: Node) -> Row:
    """Return the record of a node; its revision is the ``mzxid``."""
    return Row(key, ABSENT) if node is None else Row(key, node[1].mzxid, as_text(node[0]))


def _sync(path: str) -> Call:
    # A server that is behind the others catches up before it answers the calls that follow.
    return lambda zoo: zoo.sync_async(path)
