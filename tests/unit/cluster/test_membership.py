"""Being a host among others: the lease, coming back, and answering questions."""

import threading
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from plugin.cluster.forget import forget_host
from plugin.cluster.hosts.identity import advertised_address, host_identity
from plugin.cluster.hosts.membership import host_states
from plugin.cluster.hosts.ping import Ping, Pong, Responder, watch_lags
from plugin.cluster.hosts.records import HostIdentity, KnownHost
from plugin.errors import Failed, InvalidRequest, NotFound, PynetError, Unsupported
from plugin.ipam_router import IpamRouter
from plugin.protocol.api import IpamDriver
from plugin.protocol.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool
from plugin.store.base import Change, Put, Remove
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import StoreAddress
from tests.engine.lab.process import wait_until
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore
from tests.unit.ipam.parts import manager

NOWHERE = StoreAddress("etcd", (("127.0.0.1", 1),))
LINKS = [
    ("lo", ip_interface("127.0.0.1/8")),
    ("eth0", ip_interface("2001:db8::5/64")),
    ("eth0", ip_interface("192.0.2.5/24")),
]


def test_hosts_are_seen_alive_and_dead() -> None:
    """A host that renews is alive and shows when; a host whose record vanished keeps its name and address."""
    shared = FakeClusterStore()
    for name in "ab":
        ClusterMember(shared, name).beat()
    shared.expire("id-b")
    alive, dead = host_states(shared)
    assert (alive.name, alive.alive, alive.age, alive.address) == ("a", True, 3.0, "192.0.2.1")
    assert (dead.name, dead.alive, dead.age, dead.address) == ("b", False, None, "192.0.2.1")


def test_a_store_that_is_away_is_noticed_and_its_return_repaired() -> None:
    """Neither a start nor a beat fails without the store; when it is back the host repairs once, not at every beat."""
    shared, repaired = FakeClusterStore(), []
    host = ClusterMember(shared)
    host.upkeep._repair = lambda: repaired.append(shared.list(KnownHost))
    shared.away = True
    host.beat()
    assert not host.membership.available
    shared.away = False
    for _ in range(3):
        host.beat()
    assert (host.membership.available, len(repaired)) == (True, 1)


def test_a_host_that_was_paused_for_too_long_repairs() -> None:
    """A host whose record vanished although the store always answered checks, as it may have been forgotten."""
    shared, repaired = FakeClusterStore(), []
    host = ClusterMember(shared)
    host.beat()
    host.upkeep.when_back(lambda: repaired.append(1))
    shared.expire("id-a")
    forget_host(shared, "a")
    for _ in range(3):
        host.beat()

    assert repaired == [1]
    assert [state.alive for state in host_states(shared)] == [True]
    assert shared.list(KnownHost)


def test_a_thread_carries_out_what_was_left() -> None:
    """Removals that failed are carried out when the store is back, without another request."""
    shared = FakeClusterStore()
    host = ClusterMember(shared)
    host.upkeep.start()
    pool = host.pool("10.1.0.0/24")
    shared.away = True
    host.release_pool(pool)
    shared.away = False
    wait_until(lambda: not host.outbox.pending, "the removal")
    host.upkeep.stop()


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    """A host keeps its id over restarts and over the loss of its store, and two hosts have different ones."""
    first = host_identity(MemoryStore(), tmp_path / "one")
    assert host_identity(MemoryStore(), tmp_path / "one") == first
    assert host_identity(MemoryStore(), tmp_path / "other") != first
    with pytest.raises(Failed, match=r"keep this host's id in '.*/no/id': no such file"):
        host_identity(MemoryStore(), tmp_path / "no" / "id")


def test_the_identity_of_a_store_without_its_file_stays(tmp_path: Path) -> None:
    """The file is written again from the store; if both differ the file is right, as stores can be restored."""
    local = MemoryStore()
    local.transact(Put(HostIdentity("abc")))
    assert host_identity(local, tmp_path / "id").id == (tmp_path / "id").read_text().strip() == "abc"
    (tmp_path / "id").write_text("def\n")
    assert host_identity(local, tmp_path / "id").id == "def"
    known = local.get(HostIdentity, "self")
    assert known is not None
    assert known.record.id == "def"


@pytest.mark.parametrize(
    ("wish", "address"),
    [("192.0.2.5", "192.0.2.5"), ("eth0", "192.0.2.5"), ("2001:db8::5", "2001:db8::5"), ("lo", "127.0.0.1")],
)
def test_the_address_for_others_is_as_wished(wish: str, address: str) -> None:
    """The address for others is the configured one, or that of the configured link, IPv4 first."""
    assert advertised_address(wish, NOWHERE, LINKS) == ip_address(address)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ("192.0.2.6", r"address '192.0.2.6' is not on this host, which has: 127.0.0.1, 192.0.2.5, 2001:db8::5"),
        ("eth9", r"'eth9' is neither an address nor a link with one; links are: eth0, lo"),
        ("", r"no route to 'etcd://127.0.0.1:1/pynet' leaves this host; set PYNET_ADVERTISE"),
    ],
)
def test_an_address_that_is_not_here_is_refused(wish: str, text: str) -> None:
    """The sentence names the addresses that the host has."""
    with pytest.raises(InvalidRequest, match=text):
        advertised_address(wish, NOWHERE, LINKS)


def test_without_a_route_the_last_address_stays() -> None:
    """A host that starts before its network is up keeps its last address."""
    assert advertised_address("", NOWHERE, LINKS, ip_address("192.0.2.5")) == ip_address("192.0.2.5")


def test_every_host_answers_a_question() -> None:
    """The delay of each host's watch is measured; a silent host is left out, and no record stays."""
    shared = FakeClusterStore()
    echoes = [Responder(shared, name) for name in "ab"]
    for echo in echoes:
        echo.start()
    wait_until(lambda: len(shared._feed._queues) == 2, "both to watch")
    assert set(watch_lags(shared, {"a", "b"})) == {"a", "b"}
    assert set(watch_lags(shared, {"a", "c"}, patience=0.2)) == {"a", "b"}
    for echo in echoes:
        echo.stop()
    shared.close()


def test_a_question_whose_store_goes_away_ends() -> None:
    """A question ends although its watch would wait for ever for a store that went away."""

    class Leaving(FakeClusterStore):
        def transact(self, *changes: Change) -> None:
            super().transact(*changes)
            self.away = True

    with pytest.raises(PynetError):
        watch_lags(Leaving(), {"a"}, patience=0.1)


def test_questions_leave_nothing() -> None:
    """A question that nobody answers is removed too."""
    shared = FakeClusterStore()
    assert watch_lags(shared, {"a"}, patience=0.1) == {}
    assert not [*shared.list(Ping), *shared.list(Pong)]


def test_a_watch_that_is_cut_is_begun_again() -> None:
    """A host goes on answering after the cluster store refused it for a while."""
    shared = FakeClusterStore()
    heard = threading.Event()

    class Flaky(MemoryStore):
        tries = 0

        def watch(self, kind: Any, prefix: str = "") -> Any:
            self.tries += 1
            if self.tries > 1:
                heard.set()
            shared.away = self.tries == 1
            shared._ask("watch")
            return super().watch(kind, prefix)

    flaky = Flaky()
    echo = Responder(flaky, "a")
    echo.start()
    assert heard.wait(10)
    echo.stop()
    flaky.close()


# --- which address manager serves ----------------------------------------------------------------


def request(options: dict[str, str]) -> RequestPool:
    return RequestPool("pynet-local", None, None, options, v6=False)


def test_the_option_decides_who_serves() -> None:
    """With pynet.network the shared manager serves, without it the host's own; pool ids lead back to the right one."""
    shared = FakeClusterStore()
    router: IpamDriver = IpamRouter(manager(), ClusterMember(shared).addresses)
    pools = [router.request_pool(request(options)).pool_id for options in ({}, {"pynet.network": "blue"})]
    assert [pool.partition("/")[0] for pool in pools] == ["pynet-local", "pynet-cluster"]
    for pool in pools:
        taken = router.request_address(RequestAddress(pool, None, {})).address.ip
        router.release_address(ReleaseAddress(pool, taken))
        router.release_pool(ReleasePool(pool))
    assert router.get_default_address_spaces().local == "pynet-local"
    assert not router.get_capabilities().requires_request_replay


def test_without_a_store_sharing_is_refused() -> None:
    """The refusal names the missing setting; shared pools of an earlier run can still be released."""
    router = IpamRouter(manager(), None)
    with pytest.raises(
        Unsupported, match=r"option 'pynet.network' needs a store that the hosts share, and PYNET_STORE"
    ):
        router.request_pool(request({"pynet.network": "blue"}))
    with pytest.raises(NotFound, match="PYNET_STORE names no store any more"):
        router.request_address(RequestAddress("pynet-cluster/blue/10.1.0.0/24/t", None, {}))
    router.release_address(ReleaseAddress("pynet-cluster/blue/10.1.0.0/24/t", ip_address("10.1.0.2")))
    router.release_pool(ReleasePool("pynet-cluster/blue/10.1.0.0/24/t"))


def test_a_host_without_the_record_is_not_alive() -> None:
    """Removing the record is what the server does when the lease ends; the next beat writes it again."""
    shared = FakeClusterStore()
    host = ClusterMember(shared)
    host.beat()
    shared.transact(Remove(type(host.me), host.me.key))
    assert not host_states(shared)[0].alive
    host.beat()
    assert host_states(shared)[0].alive
