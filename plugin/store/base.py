"""Durable state behind one small interface: what SQLite, etcd, ZooKeeper and Consul can all do.

A record is a frozen dataclass with a ``kind`` and a ``key``. Every write gives it a new ``revision``, a number that
grows over the whole store (etcd calls it mod_revision). Writers name the revisions that they read; a store refuses the
whole transaction when one of those records has changed since.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Generic, Protocol, TypeVar

from netlink.values import dataclass
from plugin.errors import Failed, PynetError


class Record(Protocol):
    """A frozen dataclass of plain and ``ipaddress`` values, which a store can keep."""

    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """Unique within the kind; may contain ``/`` so that a prefix names a family of records."""


R = TypeVar("R", bound=Record)

ABSENT = 0  # the revision to expect of a record that must not exist yet
CHUNK = 30  # changes with an expected revision in one transaction: two operations each, Consul takes 64, etcd 128


class StoreConflict(PynetError):
    """A record was not at the revision that the transaction expected; nothing was written."""


class StoreAway(Failed):
    """No server of a store answered in time; the request may have been carried out or not."""


class Unreadable(Failed):
    """The value at a key of a shared store cannot be read as a record; the text names the key."""


@dataclass(frozen=True, slots=True)
class Versioned(Generic[R]):
    """A record and the revision at which it was written."""

    record: R
    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write ``record``; ``expect`` is a revision, ``ABSENT``, or None to overwrite anything."""

    record: Record
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a record; one that is gone already is fine unless ``expect`` names a revision.

    With ``ABSENT`` nothing is removed: the transaction is refused if the record exists.
    """

    kind: type[Record]
    key: str
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """Change nothing, and refuse the transaction unless a record is at ``revision``.

    Others that expect the same record are not disturbed: its revision stays.
    """

    kind: type[Record]
    key: str
    revision: int


Change = Put | Remove | Expect


@dataclass(frozen=True, slots=True)
class Event:
    """A change that a watch reports; ``record`` is None when it was removed."""

    kind: str
    key: str
    record: Record | None
    revision: int


class Store(Protocol):
    """Typed records with compare-and-set transactions. Every method may raise ``Failed`` or ``Busy``."""

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; they are on stable storage when this returns.

        Raises:
            StoreConflict: a record was not at the revision that was expected.
        """

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on; the iterator blocks until one comes or the store closes.

        Changes of records whose keys do not begin with ``prefix`` are left out.

        A store that hosts share may leave out a change if the same record has changed again since.
        """

    def close(self) -> None:
        """Release files and connections; watches end."""


class LocalStore(Store, Protocol):
    """A store of this host alone, which tells cheaply whether records have changed."""

    def revision(self) -> int:
        """Return the revision of the last change, also of a removal."""

    def since(self, kind: type[R], revision: int) -> tuple[Sequence[str], Sequence[Versioned[R]]]:
        """Return the keys of all records of ``kind``, and the records that were written after ``revision``."""


class SharedStore(Store, Protocol):
    """A store that others write to as well. Records that cannot be read are left out of listings and watches.

    ``get`` raises ``Unreadable`` for such a record. A record may have a property ``flaw``, which says why its content
    is impossible, or is empty.
    """

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        """Return the keys of records that the last listing left out, and why."""


class ClusterStore(SharedStore, Protocol):
    """A store that hosts share. Every method of it may raise ``StoreAway`` too."""

    def announce(self, record: Record, seconds: int) -> bool:
        """Write ``record`` so that it vanishes ``seconds`` after the last call; watches report both.

        Return whether it has been there since the last call; it is only renewed then.

        A host announces one record in each store, of a kind with ``vanishing``. The server measures the time, so the
        clock of this host does not matter.
        """

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Return the seconds since each announced record of ``kind`` was renewed, by key, if the server tells."""
