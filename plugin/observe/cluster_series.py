"""The series about the hosts that share a cluster store."""

from collections import Counter
from collections.abc import Callable, Sequence

from netlink.deadline import deadline
from plugin.cluster.hosts.membership import HostState, host_states
from plugin.model.records import Endpoint
from plugin.observe import metrics as m
from plugin.observe.page import Page
from plugin.protocol.messages import Countdown
from plugin.store.base import ClusterStore, Store, StoreAway

PATIENCE = 2.0  # seconds for the cluster store


def write_cluster(store: ClusterStore, trouble: Callable[[], str], page: Page) -> None:
    """Add the hosts of the cluster; a store that did not answer last is not asked."""
    states = None if trouble() else _states(store)
    page.add(m.CLUSTER_STORE, int(states is not None))
    if states is None:
        return
    counts = Counter("alive" if state.alive else "dead" for state in states)
    for state in ("alive", "dead"):
        page.add(m.CLUSTER_HOSTS, counts[state], state)


def write_takeovers(
    pending: Callable[[], Sequence[Countdown]], done: Callable[[], int], local: Store, page: Page
) -> None:
    """Add the takeovers by this host and from it."""
    page.add(m.TAKEOVERS_DUE, len(pending()))
    page.add(m.TAKEOVERS, done())
    page.add(m.CLOSED, sum(bool(item.record.taken) for item in local.list(Endpoint)))


def _states(store: ClusterStore) -> Sequence[HostState] | None:
    try:
        with deadline(PATIENCE):
            return host_states(store)
    except StoreAway:
        return None
