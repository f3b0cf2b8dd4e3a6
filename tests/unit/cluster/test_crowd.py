"""A thousand hosts ask the cluster store no more than fifty do."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import cast

from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.addresses.upkeep import AUDIT, SPREAD, Upkeep
from plugin.cluster.hosts.crowd import CLEANERS, Crowd
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.store.base import R, Versioned
from plugin.store.memory import MemoryStore
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore

HOST = ClusterHost("h", "h", ip_address("192.0.2.1"), 0)


class Hosts(FakeClusterStore):
    """Lists that many hosts."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        assert (kind, prefix) == (ClusterHost, "")
        return [Versioned(cast("R", HOST), 1)] * self._count


def crowd(count: int, chance: float) -> Crowd:
    """Return a host's view of that many hosts."""
    crowd = Crowd(Hosts(count), lambda: chance)
    crowd.look()
    return crowd


def test_each_of_a_few_hosts_cleans_up_and_some_of_a_thousand() -> None:
    """Eight hosts clean up in each round of comparisons, however many there are."""
    assert crowd(CLEANERS, 0.99).cleans()
    assert crowd(0, 0.99).cleans()
    assert (crowd(1000, 0.0079).cleans(), crowd(1000, 0.008).cleans()) == (True, False)


def test_a_thousand_hosts_compare_as_often_as_fifty() -> None:
    """Comparisons are twenty times rarer with twenty times as many hosts, and spread twenty times wider."""
    shared, repaired, many = FakeClusterStore(), list[float](), crowd(1000, 0)
    now = 0.0
    box = Outbox(MemoryStore(), shared, [KnownHost])
    upkeep = Upkeep(box, lambda: repaired.append(now), lambda: 0.5, stretch=many.stretch)
    upkeep.tend(now)
    for now in (2 * AUDIT, 24.9 * AUDIT, 25.0 * AUDIT):
        upkeep.tend(now)
    assert repaired == [0.0, 25.0 * AUDIT]
    upkeep.returned()
    now += 1.0
    assert upkeep.tend(now) == 20 * 0.5 * SPREAD
    assert crowd(50, 0).stretch() == 1.0


def test_a_comparison_without_cleaning_lists_only_leases_of_own_pools() -> None:
    """Leases of other networks are read by the few hosts that clean up."""
    host = ClusterMember(shared := FakeClusterStore())
    host.pool("10.1.0.0/16")
    other = ClusterMember(shared, "b")
    other.address(other.pool("10.2.0.0/16", network="red"))
    listed = list[tuple[str, str]]()
    real = shared.list

    def counted(kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        listed.append((kind.kind, prefix))
        return real(kind, prefix)

    shared.list = counted  # type: ignore[method-assign]
    host.addresses.repair(clean=False)
    assert [prefix for kind, prefix in listed if kind == ClusterLease.kind] == ["blue/10.1.0.0/16#"]
    assert sum(kind == "cluster-pool-use" for kind, _ in listed) == 1
