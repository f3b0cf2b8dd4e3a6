"""``pynet serve`` and ``pynet reconcile`` as processes, on a kernel of their own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_interface
from pathlib import Path

import pytest

from cli.exit_codes import FAILED, NOT_SERVING
from plugin.model.names import bridge_name
from plugin.model.records import Network, NetworkSubnet
from plugin.store.base import Put
from plugin.store.sqlite.store import SqliteStore
from tests.engine.lab.process import wait_until
from tests.kernel.container import sh
from tests.kernel.served import request

PYNET = str(Path(sys.executable).parent / "pynet")
NOTHING = "the kernel is as it should be; nothing to repair\n"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A socket and a state folder of the test's own."""
    return {**os.environ, "PYNET_SOCKET": str(tmp_path / "pynet.sock"), "PYNET_STATE_DIR": str(tmp_path / "state")}


@pytest.fixture
def command(environment: dict[str, str]) -> Command:
    """Run a subcommand of pynet."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [PYNET, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Path]:
    """Run ``pynet serve`` until the block ends; yields its socket as soon as it is bound."""
    path = Path(environment["PYNET_SOCKET"])
    log = path.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen([PYNET, "serve"], env=environment, stdout=output, stderr=output)
    try:
        wait_until(path.exists, "the socket to be bound", 20)
        yield path
    finally:
        process.terminate()
        process.wait(20)


def remember_networks(environment: dict[str, str], number: int) -> list[str]:
    """Write networks into the store, as an earlier life did, and return the names of their bridges."""
    store = SqliteStore(Path(environment["PYNET_STATE_DIR"]) / "pynet.db")
    networks = []
    for at in range(number):
        identity, gateway = f"{at:04x}" * 16, ip_interface(f"10.{at // 250}.{at % 250}.1/24")
        subnets = (NetworkSubnet(gateway.network, gateway),)
        networks.append(Network(identity, "bridge", bridge_name(identity), subnets=subnets))
    store.transact(*map(Put, networks))
    store.close()
    return [network.link for network in networks]


def test_requests_wait_while_pynet_recovers(environment: dict[str, str]) -> None:
    """It is activated before the first of 100 networks is made again, and answers other requests after the last."""
    links, left = remember_networks(environment, 100), list[set[str]]()
    with serving(environment) as path:
        for verb in ("Plugin.Activate", "NetworkDriver.DeleteNetwork"):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(60)
                client.connect(str(path))
                client.sendall(request(verb, json.dumps({"NetworkID": "f" * 64}) if left else ""))
                assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
            left.append(set(links) - {name for _, name in socket.if_nameindex()})

    assert left == [set(links), set()]


def test_a_dry_run_changes_nothing_and_says_all(environment: dict[str, str], command: Command) -> None:
    """Without a service: exit 1, a line for each thing and a note; after a start 0 and nothing, also of a new link."""
    [link] = remember_networks(environment, 1)
    before = sh("ip -o link; nft list ruleset; sysctl net.ipv4.ip_forward")
    found = command("reconcile", "--dry-run", "--json")
    kinds = [item["kind"] for item in json.loads(found.stdout)]
    assert (found.returncode, kinds) == (1, ["TableChanged", "HostSettingChanged", "LinkMissing"])
    assert f"until then this is from '{environment['PYNET_STATE_DIR']}'" in found.stderr
    assert sh("ip -o link; nft list ruleset; sysctl net.ipv4.ip_forward") == before

    with serving(environment):
        clean = command("reconcile", "--dry-run")
        answer = command("status", "--json")
        sh(f"ip link set {link} alias mine")
        drift = command("reconcile", "--dry-run")
        again = command("reconcile", "--dry-run")
    assert json.loads(answer.stdout)["repairs"] == {"LinkMissing": 1, "HostSettingChanged": 1}
    assert (clean.returncode, clean.stdout, clean.stderr) == (0, NOTHING, "")
    assert (drift.returncode, drift.stdout) == (again.returncode, again.stdout)
    assert (drift.returncode, f"alias of link '{link}'" in drift.stdout) == (1, True)


def test_a_link_that_the_state_does_not_know_is_not_called_rubbish(
    environment: dict[str, str], command: Command
) -> None:
    """A dry run does not advise to delete a link that may belong to another pynet, such as a managed plugin."""
    sh("ip link add pn-alive type bridge; ip link set pn-alive alias pynet/network/alive")
    empty = command("reconcile", "--dry-run")
    assert (empty.returncode, empty.stdout) == (NOT_SERVING, "")
    assert "there is no state in" in empty.stderr

    remember_networks(environment, 1)
    strange = command("reconcile", "--dry-run")
    assert (strange.returncode, strange.stdout) == (FAILED, "")
    assert "link 'pn-alive' with alias 'pynet/network/alive' is not in it" in strange.stderr


def test_a_service_repairs_when_it_is_asked(environment: dict[str, str], command: Command) -> None:
    """``pynet reconcile`` repairs at once what the kernel does not notify; without a running pynet it exits with 69."""
    [link] = remember_networks(environment, 1)
    with serving(environment):
        command("status")
        sh(f"ip link set {link} alias mine")
        done = command("reconcile")
        again = command("reconcile")

    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert f"alias of link '{link}'" in done.stdout
    assert (again.returncode, again.stdout) == (0, NOTHING)
    assert command("reconcile").returncode == NOT_SERVING


def test_a_start_keeps_tables_that_are_right(environment: dict[str, str], command: Command) -> None:
    """Tables and rules have the same handles in the second life; the kernel gives new ones to whatever is written."""
    remember_networks(environment, 2)
    lives = []
    for _ in range(2):
        with serving(environment):
            command("status")
            lives.append(sh("nft --stateless --handle list ruleset"))

    assert "elements" in lives[0]
    assert lives[0] == lives[1]
