"""The suite that every store passes, on real servers."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from plugin.model.records import Tombstone
from plugin.store.base import Put, Unreadable
from tests.cluster.conftest import Opener
from tests.unit.store.test_store import *  # noqa: F403 - the whole suite, with this ring's fixture

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Nonsense:
    """Data that another program wrote in the place of a record."""

    kind: ClassVar[str] = Tombstone.kind

    key: str


def test_a_record_that_is_none_is_set_aside(opener: Opener) -> None:
    """Listings and watches go on, and have it when it was mended."""
    store, other = opener(), opener()
    with store.watch(Tombstone) as events:
        other.transact(Put(Nonsense("bad")))
        other.transact(Put(Tombstone("good")))
        heard = [next(events), next(events)]
        assert [item.record.key for item in store.list(Tombstone)] == ["good"]
        assert "field 'link' is missing" in store.set_aside(Tombstone)["bad"]
        with pytest.raises(Unreadable, match="record tombstone 'bad' of the cluster store"):
            store.get(Tombstone, "bad")
        other.transact(Put(Tombstone("bad")))
        heard.append(next(events))
    assert [(event.key, event.record) for event in heard if event.record] == [
        ("good", Tombstone("good")),
        ("bad", Tombstone("bad")),
    ]
    assert len(store.list(Tombstone)) == 2
    assert store.set_aside(Tombstone) == {}
