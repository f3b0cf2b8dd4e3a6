"""The series about the hosts that share a cluster store."""

from collections import Counter
from collections.abc import Callable

from netlink.deadline import deadline
from plugin.cluster.hosts.membership import host_states
from plugin.observe import metrics as m
from plugin.observe.page import Page
from plugin.store.base import ClusterStore

PATIENCE = 2.0  # seconds for the cluster store


def write_cluster(store: ClusterStore, trouble: Callable[[], str], page: Page) -> None:
    """Add the hosts of the cluster; a store that did not answer last is not asked. Raises ``StoreAway``."""
    up = not trouble()
    page.add(m.CLUSTER_STORE, int(up))
    if not up:
        return
    with deadline(PATIENCE):
        states = host_states(store)
    counts = Counter("alive" if state.alive else "dead" for state in states)
    for state in ("alive", "dead"):
        page.add(m.CLUSTER_HOSTS, counts[state], state)
