"""``pynet doctor`` on hosts that are broken, and on sound ones that look strange, as an administrator calls it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel import engine_answers
from tests.kernel.activator import PYNET
from tests.kernel.container import sh
from tests.kernel.served import Served
from tests.trial import addresses, broken
from tests.trial.broken import HOSTS, SOUND, SUBNET4, SUBNET6, UPLINK, Broken

NETWORK = "a9" * 32
ROOM = 80 << 20  # bytes: no little space yet


class Case:
    """A pynet with one network, and an engine that is no more than its answers."""

    def __init__(self, folder: Path) -> None:
        self.served, self.folder = Served(folder), folder
        subnets = [{"Subnet": SUBNET4}, {"Subnet": SUBNET6}]
        networks = json.dumps([{"Name": "web", "Id": NETWORK, "IPAM": {"Config": subnets}}])
        command = [sys.executable, engine_answers.__file__, str(folder / "docker.sock"), networks]
        self.engine = subprocess.Popen(command, stdout=subprocess.PIPE)

    def start(self) -> None:
        """Serve, with a way to the outside; never on the machine itself, which is what will be broken."""
        assert [line.split()[1] for line in sh("ip -o link").splitlines()] == ["lo:"]
        self.served.state.mkdir()
        sh(f"mount -t tmpfs -o size={ROOM},mode=700 state {self.served.state}")
        assert self.engine.stdout is not None
        self.engine.stdout.readline()
        self.served.start()
        sh(UPLINK)
        self.make_network()

    def make_network(self) -> None:
        """Ask for a network as the engine does, with addresses of pynet's."""
        data: dict[str, list[dict[str, str]]] = {"IPv4Data": [], "IPv6Data": []}
        for key, subnet in zip(data, (SUBNET4, SUBNET6), strict=True):
            asked = {"AddressSpace": "pynet-local", "Pool": subnet, "SubPool": "", "Options": None}
            pool = self.served.call("IpamDriver.RequestPool", **asked, V6="6" in key)["PoolID"]
            wanted = {"RequestAddressType": "com.docker.network.gateway"}
            gateway = self.served.call("IpamDriver.RequestAddress", PoolID=pool, Address="", Options=wanted)["Address"]
            data[key].append({"AddressSpace": "pynet-local", "Pool": subnet, "Gateway": gateway})
        options = {"com.docker.network.enable_ipv6": True}
        assert not self.served.call("NetworkDriver.CreateNetwork", NetworkID=NETWORK, Options=options, **data)

    def run(self, script: str) -> str:
        """Run a script of ``tests.trial.broken`` here."""
        pids = " ".join(map(str, self.served.pids))
        run = shlex.join([sys.executable, addresses.__file__, str(self.served.socket), str(self.served.state)])
        variables = {
            "LINK": f"pn-{NETWORK[:12]}",
            "STOP": f"kill -STOP {pids}",
            "CONTINUE": f"kill -CONT {pids}",
            "END": f"kill -KILL {pids}",
            "DOWN": f"rm {self.folder}/docker.sock",
            "ADDRESSES": run,
            "PYNET": str(PYNET),
        }
        exports = "".join(f"export {key}={shlex.quote(value)}; " for key, value in (variables | self.places).items())
        return sh(f"{exports}{script}")

    @property
    def places(self) -> dict[str, str]:
        """Where everything is."""
        own = {"SOCKET": str(self.served.socket), "STATE": str(self.served.state)}
        return own | {"PYNET_SOCKET": own["SOCKET"], "PYNET_STATE_DIR": own["STATE"]}

    def doctor(self, **variables: str) -> list[dict[str, Any]]:
        """Return what the doctor finds."""
        engine = {"DOCKER_HOST": f"unix://{self.folder}/docker.sock"}
        environment = os.environ | self.places | engine | variables
        done = subprocess.run([PYNET, "doctor", "--json"], env=environment, capture_output=True, text=True, check=False)
        assert not done.stderr, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def end(self) -> None:
        """End everything."""
        self.served.kill()
        self.engine.kill()
        self.engine.communicate()


@pytest.fixture
def case(disk: Path) -> Iterator[Case]:
    """Return a host on a small disk of its own."""
    case = Case(disk)
    try:
        case.start()
        yield case
    finally:
        case.end()


@pytest.mark.parametrize("broken_host", HOSTS, ids=[one.name for one in HOSTS])
def test_what_is_broken_is_found(case: Case, broken_host: Broken) -> None:
    """A broken host gives the expected finding with its severity, and no misleading one."""
    case.run(broken_host.breaks)
    assert broken.verdict(broken_host, case.doctor(**dict(broken_host.variables))) == ""


PASTED = (
    "another forward chain, policy drop",
    "another forward chain, a last rule that drops",
    "DOCKER-USER -j DROP",
    "an input chain that drops neighbour discovery",
    "a state folder for everybody",
    "a state of another user",
)


@pytest.mark.parametrize("name", PASTED)
def test_a_cure_that_is_pasted_cures(case: Case, name: str) -> None:
    """After the commands of its findings the host is sound, where they are not only for looking."""
    case.run(next(host.breaks for host in HOSTS if host.name == name))
    commands = [command for finding in case.doctor() for command in finding["commands"]]
    assert commands
    for command in commands:
        sh(command)
    assert case.doctor() == []


@pytest.mark.parametrize("broken_host", SOUND, ids=[one.name for one in SOUND])
def test_what_only_looks_strange_is_no_error(case: Case, broken_host: Broken) -> None:
    """Hosts that only look strange give at most a note, and a normal host gives nothing."""
    case.run(broken_host.breaks)
    found = case.doctor()
    assert broken.verdict(broken_host, found) == ""
    assert broken_host is not SOUND[0] or found == []


def test_a_second_pynet_beside_is_no_finding(case: Case) -> None:
    """Two pynets with their own sockets and states do not disturb each other."""
    (case.folder / "second").mkdir()
    second = Served(case.folder / "second")
    second.socket = second.socket.with_name("other.sock")
    second.start()
    try:
        assert case.doctor() == []
    finally:
        second.kill()


def test_a_bad_setting_is_named(case: Case) -> None:
    """A bad setting is named with its place, beside other findings, and does not hide other settings."""
    (found,) = case.doctor(PYNET_THREADS="2")
    assert (found["check"], found["severity"]) == ("settings", "error")
    assert "PYNET_THREADS" in found["cause"]


def test_a_user_is_told_what_only_root_may_look_at(case: Case) -> None:
    """A user gets one note about what only root may look at, exit code 0, no traceback and no false finding."""
    environment = case.places | {"DOCKER_HOST": f"unix://{case.folder}/docker.sock", "PATH": os.environ["PATH"]}
    command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", str(PYNET), "doctor"]
    sh(f"chmod 755 {case.folder} {case.folder.parent}; chmod 600 {case.folder}/docker.sock")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 4, done.stdout
    assert done.stdout.startswith(
        "note: only root may look at what the kernel can do, the state of pynet, the rules of"
    )
