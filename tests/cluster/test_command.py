"""``pynet cluster`` on a real store: its output and its exit codes."""

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.exit_codes import FAILED, SETTINGS, TAKEN
from cli.main import main
from plugin.cluster.addresses.records import ClusterLease, QueuedRemoval
from plugin.cluster.hosts.ping import Responder
from plugin.cluster.hosts.records import HostIdentity, KnownHost
from plugin.store.base import Put, Remove
from plugin.store.sqlite.store import SqliteStore
from tests.cluster.conftest import Opener
from tests.contract.contract import document_validator
from tests.engine.lab.process import wait_until
from tests.unit.cluster.parts import ClusterMember

pytestmark = pytest.mark.cluster

Pynet = Callable[..., Result]


@pytest.fixture
def pynet(opener: Opener, tmp_path: Path) -> Pynet:
    """Return the command, with the settings of a host in the cluster."""
    url = str(opener.address)

    return lambda *words: run(url, tmp_path, *words)


def run(store: str, state: Path, *words: str) -> Result:
    """Run ``pynet cluster`` in this process."""
    env = {"PYNET_STORE": store, "PYNET_STATE_DIR": str(state)}
    return CliRunner().invoke(main, ["cluster", *words], env=env, catch_exceptions=False)


@pytest.fixture
def hosts(opener: Opener, tmp_path: Path) -> Iterator[tuple[ClusterMember, ClusterMember]]:
    """Return two living hosts, of which the first has its state where the command looks."""
    local = SqliteStore(tmp_path / "pynet.db")
    local.transact(Put(HostIdentity("id-a")))
    one, two = ClusterMember(opener(), "a", local=local), ClusterMember(opener(), "b")
    echoes = [Responder(host.shared, host.me.id) for host in (one, two)]
    for host, echo in zip((one, two), echoes, strict=True):
        host.beat()
        echo.start()
    yield one, two
    for echo in echoes:
        echo.stop()
    local.close()


Hosts = tuple[ClusterMember, ClusterMember]


def test_all_is_well(pynet: Pynet, hosts: Hosts) -> None:
    """Hosts with their leases and lags, networks with their endpoints, and 0 for scripts."""
    pools = [host.pool("10.1.0.0/24") for host in hosts]
    for host, pool in zip(hosts, pools, strict=True):
        host.address(pool, gateway=True)
        host.address(pool)
    wait_until(lambda: pynet("status").exit_code == 0, "both hosts to answer")
    state = json.loads(pynet("status", "--json").stdout)
    document_validator("cluster-status").validate(state)
    assert [(host["name"], host["alive"], host["endpoints"]) for host in state["hosts"]] == [
        ("a", True, 1),
        ("b", True, 1),
    ]
    assert all(0 < host["watch_lag"] < 3 for host in state["hosts"])
    assert state["networks"] == [{"name": "blue", "subnets": ["10.1.0.0/24"], "hosts": ["a", "b"], "endpoints": 2}]
    assert (state["problems"], state["waiting"]) == ([], 0)
    lines = pynet("status").stdout.splitlines()
    assert lines[0].split() == ["HOST", "ID", "ADDRESS", "LEASE", "WATCH", "ENDPOINTS"]
    assert lines[-1] == "all is well"


def test_what_is_wrong_is_said(pynet: Pynet, hosts: Hosts) -> None:
    """A dead host, a lease that only one of the two stores has, and a queue are a sentence each, and 1 for scripts."""
    pool = hosts[0].pool("10.1.0.0/24")
    hosts[0].address(pool, "10.1.0.7")
    hosts[1].shared.transact(Put(KnownHost("id-c", "c", ip_address("192.0.2.3"))))
    hosts[1].shared.transact(Remove(ClusterLease, "blue/10.1.0.0/24#10.1.0.7"))
    hosts[0].local.transact(Put(QueuedRemoval(1, "cluster-lease", "x")))
    result = pynet("status")
    assert result.exit_code == 1
    for text in (
        "- host 'c' does not renew its lease and holds 0 addresses; if it is gone for good: pynet cluster forget c",
        "- address '10.1.0.7' of network 'blue' is used on this host and is not in the cluster store",
        "- 1 removals of this host wait for the cluster store",
    ):
        assert text in result.stdout


def test_a_dead_host_is_forgotten(pynet: Pynet, hosts: Hosts) -> None:
    """Only a dead one: a living one and one that is not known are sentences."""
    pool = hosts[0].pool("10.1.0.0/24")
    hosts[1].shared.transact(Put(KnownHost("id-c", "c", ip_address("192.0.2.3"))))
    assert "host 'c' is forgotten: 0 addresses and 0 uses of pools are free" in pynet("forget", "c").stdout
    hosts[1].shared.transact(Put(KnownHost("id-c", "c", ip_address("192.0.2.3"))))
    document_validator("cluster-forget").validate(json.loads(pynet("forget", "c", "--json").stdout))
    refused = pynet("forget", "a")
    assert (refused.exit_code, "forget host 'a': it is alive" in refused.stderr) == (TAKEN, True)
    assert "'x': it is not known; hosts are: a (id-a), b (id-b)" in pynet("forget", "x").stderr
    assert hosts[0].address(pool, "10.1.0.9") == "10.1.0.9"


def test_a_store_that_cannot_be_asked_is_a_code_of_its_own(tmp_path: Path) -> None:
    """A code for scripts and a sentence on the error output, for none, a bad and a dead one."""
    for url, code, text in (
        ("", SETTINGS, "PYNET_STORE names no store that hosts share"),
        ("etcd://h:0", SETTINGS, "port 0 is not between 1 and 65535"),
        ("etcd://127.0.0.1:1", FAILED, "no endpoint answers: 127.0.0.1:1: connection refused"),
    ):
        result = run(url, tmp_path, "status")
        assert (result.exit_code, result.stdout) == (code, "")
        assert text in result.stderr
