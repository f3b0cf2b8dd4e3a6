"""The stores of one host tell what changed."""

from ipaddress import IPv4Address

from plugin.model.records import Lease, Tombstone
from plugin.store.base import LocalStore, Put, Remove


def test_changes_since_a_revision(store: LocalStore) -> None:
    """All keys of a kind, and its records that were written since; a removal changes the revision, too."""
    store.transact(Put(Tombstone("a")), Put(Tombstone("b")), Put(Lease("p", IPv4Address(1))))
    before = store.revision()
    store.transact(Put(Tombstone("c")))
    store.transact(Remove(Tombstone, "a"))
    keys, changed = store.since(Tombstone, before)

    assert (list(keys), [item.record.link for item in changed]) == (["b", "c"], ["c"])
    assert store.revision() == before + 2
    assert [len(part) for part in store.since(Tombstone, store.revision())] == [2, 0]
