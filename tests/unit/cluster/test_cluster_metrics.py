"""The series about the hosts of a cluster."""

from collections.abc import Callable

import pytest

from plugin.cluster.hosts.records import KnownHost
from plugin.model.records import Endpoint
from plugin.observe import metrics as m
from plugin.observe.cluster_series import write_cluster, write_takeovers
from plugin.observe.page import Page
from plugin.protocol.messages import Countdown
from plugin.store.base import ClusterStore, Put
from plugin.store.memory import MemoryStore
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore
from tests.unit.test_metrics import series


def scraped(store: ClusterStore, trouble: Callable[[], str]) -> dict[tuple[str, str], float]:
    """Return the series of a scrape."""
    page = Page()
    write_cluster(store, trouble, page)
    return series(page.text())


def test_hosts_are_counted_by_state() -> None:
    """A host that renews is alive, and one that is only known is dead."""
    shared = FakeClusterStore()
    for name in ("a", "b"):
        ClusterMember(shared, name).beat()
    shared.transact(Put(KnownHost("id-c", "c", ClusterMember(shared).me.address)))
    found = scraped(shared, str)

    assert [found[m.CLUSTER_HOSTS.name, f'state="{state}"'] for state in ("alive", "dead")] == [2, 1]
    assert found[m.CLUSTER_STORE.name, ""] == 1


def test_takeovers_are_counted() -> None:
    """Those to come, those that this host carried out, and the containers that it lost by some."""
    page, local = Page(), MemoryStore()
    local.transact(*(Put(Endpoint(name, "n", "", taken=host)) for name, host in (("a", "h2"), ("b", ""))))
    write_takeovers(lambda: [Countdown("h2", "b", "blue", 1, 59)] * 2, lambda: 3, local, page)
    found = series(page.text())

    assert [found[each.name, ""] for each in (m.TAKEOVERS_DUE, m.TAKEOVERS, m.CLOSED)] == [2, 3, 1]


@pytest.mark.parametrize(("trouble", "questions"), [("no answer", 0), ("", 1)])
def test_a_store_that_is_away_has_no_hosts(trouble: str, questions: int) -> None:
    """A store that did not answer last is not asked, and one that fails now is down too."""
    shared = FakeClusterStore()
    shared.away = True

    assert scraped(shared, lambda: trouble) == {(m.CLUSTER_STORE.name, ""): 0}
    assert shared.asked == questions
