"""Shared addresses on real stores: many requests at once, hosts that die, a store that goes away."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugin.cluster.addresses.records import ClusterLease
from plugin.errors import Exhausted
from plugin.ipam.allocator import NO_ADDRESSES
from plugin.model.records import Pool
from plugin.store.base import StoreAway
from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from plugin.store.sqlite.store import SqliteStore
from tests.cluster.conftest import Opener
from tests.cluster.servers import Etcd
from tests.cluster.test_faults import running
from tests.engine.lab.process import wait_until
from tests.unit.cluster.parts import ClusterMember, leases

pytestmark = pytest.mark.cluster


def test_sixty_at_once_on_three_hosts(opener: Opener) -> None:
    """Sixty requests at the same time: sixty addresses, and the cluster store says whose they are."""
    hosts = [ClusterMember(opener(), name) for name in "abc"]
    with ThreadPoolExecutor(20) as threads:
        pools = list(threads.map(lambda host: host.pool("10.1.0.0/26"), hosts))
        got = list(threads.map(lambda n: hosts[n % 3].address(pools[n % 3]), range(60)))
    assert len(set(got)) == 60
    held = {address: f"id-{'abc'[number % 3]}" for number, address in enumerate(got)}
    assert leases(hosts[0].shared) == held


def test_two_hosts_exhaust_a_pool_exactly(opener: Opener) -> None:
    """Simultaneous requests for the 13 addresses of a /28 get different ones, and then the refusal."""
    hosts = [ClusterMember(opener(), name) for name in "ab"]
    pools = [host.pool("10.1.0.0/28") for host in hosts]
    assert {host.address(pool, gateway=True) for host, pool in zip(hosts, pools, strict=True)} == {"10.1.0.1"}

    def ask(number: int) -> str:
        try:
            return hosts[number % 2].address(pools[number % 2])
        except Exhausted as error:
            return str(error)

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(ask, range(20)))
    refused = [answer for answer in answers if answer.startswith("no available")]
    assert sorted(set(answers) - set(refused)) == sorted(f"10.1.0.{number}" for number in range(2, 15))
    assert refused == [f"{NO_ADDRESSES}: no free address is left in pool '10.1.0.0/28': 14 of 14 are taken"] * 7


def test_hosts_that_come_and_go_leave_nothing(opener: Opener) -> None:
    """Three hosts that request and release pools at the same time never see each other's pool vanish."""
    hosts = [ClusterMember(opener(), name) for name in "abc"]

    def cycle(host: ClusterMember) -> None:
        for _ in range(8):
            pool = host.pool("10.1.0.0/24")
            taken = [host.address(pool), host.address(pool, gateway=True)]
            assert set(taken) <= set(leases(host.shared))
            host.release_pool(pool)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(cycle, hosts))
    hosts[0].beat()
    assert leases(hosts[0].shared) == {}
    assert list(hosts[0].shared.list(Pool)) == []


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_a_host_that_is_killed_half_way(opener: Opener, tmp_path: Path, lines: int) -> None:
    """A host that is killed during its requests holds after its start what it handed out, and no more."""
    argv = [sys.executable, "-m", "tests.cluster.member", str(opener.address), str(tmp_path), "dead"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        told += list(process.stdout)
    handed_out: set[str] = set()
    for sign, address in (line.split() for line in told):
        (handed_out.add if sign == "+" else handed_out.discard)(address)
    revived = ClusterMember(opener(), "dead", local=SqliteStore(tmp_path / "pynet.db"))
    revived.beat()
    mine = {str(item.record.address) for item in revived.local.list(ClusterLease)}
    assert set(leases(revived.shared)) == mine
    assert len(mine ^ handed_out) <= 1  # the one whose line was not written any more
    revived.local.close()


def test_a_cluster_catches_up_after_its_store_was_away(tmp_path: Path) -> None:
    """With etcd stopped, joins fail and removals wait; when it is back they are carried out without another request."""
    with running(Etcd(tmp_path)) as etcd:
        address = parse_store_address(etcd.url)
        hosts = [ClusterMember(open_cluster_store(address, Access()), name) for name in "ab"]
        pools = [host.pool("10.1.0.0/24") for host in hosts]
        taken = [[host.address(pool) for _ in range(5)] for host, pool in zip(hosts, pools, strict=True)]
        for host in hosts:
            host.membership.start()
            host.upkeep.start()
        etcd.kill()
        for host, pool, held in zip(hosts, pools, taken, strict=True):
            for given_back in held[:4]:
                host.release(pool, given_back)
            with pytest.raises(StoreAway, match="no endpoint answers"):
                host.address(pool)
        assert [len(host.outbox.pending) for host in hosts] == [5, 5]
        etcd.start()
        wait_until(lambda: not any(host.outbox.pending for host in hosts), "the removals")
        assert leases(hosts[0].shared) == {taken[0][4]: "id-a", taken[1][4]: "id-b"}
        for host in hosts:
            host.membership.stop()
            host.upkeep.stop()
            host.shared.close()
