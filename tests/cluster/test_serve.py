"""``pynet serve`` with a cluster store that it cannot use, in a network namespace of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.servers import Etcd, free_ports
from tests.cluster.test_access import guarded  # noqa: F401 - a fixture
from tests.cluster.test_faults import running
from tests.engine.lab.api import Api, Refused
from tests.engine.lab.process import wait_until
from tests.kernel.conftest import host  # noqa: F401 - a fixture

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("host")]

PYNET = (str(Path(sys.executable).with_name("pynet")), "serve")


def environment(folder: Path, **settings: str) -> dict[str, str]:
    own = {"PYNET_SOCKET": str(folder / "pynet.sock"), "PYNET_STATE_DIR": str(folder), "PYNET_LOG_FORMAT": "json"}
    return {"PATH": os.environ["PATH"], **own, **settings}


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Api]:
    """Serve until the end of the block."""
    with subprocess.Popen(PYNET, env=environment(folder, **settings), stderr=subprocess.DEVNULL) as process:
        api = Api(folder / "pynet.sock")
        try:
            wait_until((folder / "pynet.sock").exists, "the socket")
            api.call("POST", "/Plugin.Activate")
            yield api
        finally:
            api.close()
            process.terminate()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"PYNET_STORE": "etcd:/h1"}, "read store 'etcd:/h1': it is not of the form etcd://HOST:PORT"),
        ({"PYNET_STORE": "etcd://h1", "PYNET_STORE_CA": "/no"}, "file '/no': no such file or directory"),
        ({"PYNET_ADVERTISE": "192.0.2.9"}, "address '192.0.2.9' is not on this host, which has: 127.0.0.1, ::1"),
        ({"PYNET_ADVERTISE": "eth9"}, "'eth9' is neither an address nor a link with one; links are: lo"),
        ({}, "no route to 'consul://127.0.0.1:{port}/pynet' leaves this host; set PYNET_ADVERTISE"),
    ],
)
def test_what_is_wrong_ends_it_with_a_sentence(tmp_path: Path, settings: dict[str, str], text: str) -> None:
    """It ends by itself, says why once, without a traceback, and leaves no link behind."""
    (port,) = free_ports(1)
    ends_with(text.format(port=port), tmp_path, **{"PYNET_STORE": f"consul://127.0.0.1:{port}", **settings})


def test_a_store_that_refuses_ends_it_with_a_sentence(guarded: Etcd, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    """Pynet ends with a sentence if the store refuses its credentials, instead of waiting."""
    ends_with("it refused: etcdserver: user name is empty", tmp_path, PYNET_STORE=guarded.url, PYNET_ADVERTISE="lo")


def ends_with(text: str, folder: Path, **settings: str) -> None:
    """Serve, and see it end with a sentence."""
    env = environment(folder, **settings)
    result = subprocess.run(PYNET, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode != 0
    assert result.stderr.count(text) == 1
    assert "Traceback" not in result.stderr
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True, timeout=10).stdout)
    assert [link["ifname"] for link in links] == ["lo"]


def test_a_store_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """Networks of this host work, shared ones are refused with a sentence, and work once the store is there."""
    store = Etcd(tmp_path)
    settings = {"PYNET_STORE": store.url, "PYNET_ADVERTISE": "lo"}
    request = {"AddressSpace": "pynet-local", "Pool": "", "SubPool": "", "V6": False}
    shared = request | {"Options": {"pynet.network": "blue"}}
    with serving(tmp_path, **settings) as api:
        assert api.call("POST", "/IpamDriver.RequestPool", request)["Pool"] == "10.200.0.0/24"
        with pytest.raises(Refused, match=r"no endpoint answers: 127.0.0.1:[0-9]+: connection refused"):
            api.call("POST", "/IpamDriver.RequestPool", shared)
        with running(store):
            wait_until(lambda: _works(api, shared), "the shared network")


def test_the_status_is_that_of_the_pynet_that_serves(tmp_path: Path) -> None:
    """Status and forget use store and state of the running pynet, whatever the command's environment names."""
    store = Etcd(tmp_path)

    def pynet(*words: str) -> subprocess.CompletedProcess[str]:
        env = environment(tmp_path, PYNET_STORE="etcd://127.0.0.1:1") | {"PYNET_STATE_DIR": "/nowhere"}
        return subprocess.run(
            [PYNET[0], "cluster", *words], env=env, capture_output=True, text=True, timeout=60, check=False
        )

    with running(store), serving(tmp_path, PYNET_STORE=store.url, PYNET_ADVERTISE="lo"):
        wait_until(lambda: len(json.loads(pynet("status", "--json").stdout)["hosts"]) == 1, "the host to be known")
        [me] = json.loads(pynet("status", "--json").stdout)["hosts"]
        refused = pynet("forget", me["id"])
    assert (me["address"], me["alive"]) == ("127.0.0.1", True)
    assert "it is alive" in refused.stderr
    assert f"PYNET_STORE is not used: the pynet that serves has '{store.url}" in refused.stderr


def _works(api: Api, request: dict[str, object]) -> bool:
    try:
        return bool(api.call("POST", "/IpamDriver.RequestPool", request)["Pool"])
    except Refused:
        return False
