"""Every document that a command prints for scripts fits its schema in ``spec/cli``."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from plugin.model.names import host_link_name
from tests.contract.contract import document_validator
from tests.engine.lab.process import wait_until
from tests.kernel import engine_answers
from tests.kernel.container import sh
from tests.kernel.served import Served

NETWORK, ENDPOINT, CONTAINER = "a9" * 32, "e9" * 32, "c9" * 32
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
BINDING = {"Proto": 6, "Port": 80, "HostPort": 8080, "HostPortEnd": 8080, "IP": "", "HostIP": ""}
IN_IT = {"Containers": {CONTAINER: {"EndpointID": ENDPOINT, "Name": "web", "MacAddress": "02:42:0a:09:00:02"}}}
NETWORKS = [{"Name": "blue", "Id": NETWORK, "IPAM": {"Config": [{"Subnet": "10.9.0.0/24"}]}}]
SETTINGS = {"Networks": {"blue": IDS}, "Ports": {"81/tcp": [{"HostIp": "::", "HostPort": "81"}]}}
LISTED = {"Id": CONTAINER, "Image": "i", "Command": "x", "Created": 0, "Status": "Up", "State": "running"}
LISTED |= {"Names": ["/web"], "Ports": []}
OTHERS = {
    "/containers/json": [{**LISTED, "NetworkSettings": SETTINGS}],
    f"/networks/{NETWORK}": {**NETWORKS[0], **IN_IT},
    "/events": {},
    f"/containers/{CONTAINER}/json": {"Id": CONTAINER, "Name": "/web", "NetworkSettings": SETTINGS},
}
DOCUMENTS = {
    "version --json": "version",
    "status --json": "status",
    "ps --json": "ps",
    "ports --json": "ports",
    "ports web --json": "ports",
    "ports web 80 --json": "ports",
    "network ls --json": "networks",
    "network inspect blue": "networks",
    "endpoint ls --json": "endpoints",
    "endpoint inspect web": "endpoints",
    "top --json --interval 0.2": "top",
    "flows --json": "flows",
    "capture web --json": "packet",
    "reconcile --json": "reconcile",
    "reconcile --dry-run --json": "reconcile",
    "doctor --json": "doctor",
    "drops --json": "drops",
    "trace web": "trace-line",
    "path web 192.0.2.7 tcp/80 --json": "path",
    "policy test web 192.0.2.7 tcp/80 --json": "path",
    "policy set web --from any --json": "changed",
    "policy show --json": "policy",
    "policy reset web --json": "changed",
    "dns names --json": "names",
    "dns lookup web --json": "names",
    "dns status --json": "dns-status",
    "dns setup --json": "dns-setup",
    "settings --json": "settings",
    "options --json": "options",
    "logs --json -n 1": "log-line",
    "network set blue guard=off --json": "changed",
    "endpoint set web guard=on --json": "changed",
    "network reserve blue db 10.9.0.50 --json": "reservation",
    "network unreserve blue db --json": "reservation",
    "publish web 8090:90 --json": "changed",
    "unpublish web 8080 --json": "changed",
    "reset endpoint web --json": "changed",
    "reset network blue --json": "changed",
    "endpoint renew web --json": "renewed",
    "backup copy --json": "backup",
    "cluster status --json": "cluster-status",
    "cluster forget x --json": "cluster-forget",
    "cluster rekey --json": "cluster-rekey",
    "restore copy --json": "restore",
}
OF_A_CLUSTER = {"cluster-status", "cluster-forget"}  # tests/cluster/test_command.py, on a real store
# Keys: tests/unit/cluster/test_secrecy.py.
# Packets: tests/kernel/test_capture.py and test_trace.py; a lease: tests/engine/test_dhcp.py.
ELSEWHERE = OF_A_CLUSTER | {"cluster-rekey", "packet", "trace-line", "renewed"}

NOT_AGAIN = ("restore", "backup", "capture", "trace", "top", "doctor", "cluster")  # wait long, or ask no service


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run commands beside a pynet with a network and a container, whose names the engine tells."""
    served = Served(tmp_path)
    engine = [
        sys.executable,
        engine_answers.__file__,
        str(tmp_path / "docker.sock"),
        *map(json.dumps, (NETWORKS, OTHERS)),
    ]
    answers = subprocess.Popen(engine, stdout=subprocess.PIPE)
    assert answers.stdout is not None
    answers.stdout.readline()
    monkeypatch.chdir(tmp_path)
    env = {"PYNET_SOCKET": str(served.socket), "PYNET_STATE_DIR": str(served.state)}
    env["DOCKER_HOST"] = f"unix://{tmp_path}/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", env["DOCKER_HOST"])
    try:
        served.start()
        yield served, lambda words: CliRunner().invoke(main, words.split(), env=env, catch_exceptions=False)
    finally:
        served.kill()
        answers.kill()
        answers.communicate()


def make_container(served: Served) -> None:
    """Make a network, and a container with a published port, as the engine does."""
    subnet = {"AddressSpace": "pynet-local", "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}
    served.call("IpamDriver.RequestPool", AddressSpace=subnet["AddressSpace"], Pool=subnet["Pool"])
    served.call("NetworkDriver.CreateNetwork", NetworkID=NETWORK, IPv4Data=[subnet])
    served.call("NetworkDriver.CreateEndpoint", **IDS, Interface={"Address": "10.9.0.2/24"}, Options={})
    ports = {"com.docker.network.portmap": [BINDING]}
    assert not served.call("NetworkDriver.ProgramExternalConnectivity", **IDS, Options=ports)
    sh(f'nft "add element inet pynet drops {{ 1 . eth0 . pn-{NETWORK[:12]} counter packets 3 bytes 9 timeout 10m }}"')
    sh("bash -c 'echo > /dev/udp/10.9.0.2/9'")  # a flow


def test_every_document_fits_its_schema(run: Any) -> None:
    """A served network, container and port, a repair, and a finding of the doctor are in them."""
    served, pynet = run
    make_container(served)
    served.state.chmod(0o755)
    wait_until(lambda: bool(json.loads(pynet("dns names --json").stdout)), "the engine to be asked for names")
    for words, name in DOCUMENTS.items():
        if words.startswith(("reconcile", "restore")):
            served.kill() if words.startswith("restore") else sh(f"ip link set {host_link_name(ENDPOINT)} alias mine")
        if name not in ELSEWHERE:
            document = json.loads(pynet(words).stdout)
            document_validator(name).validate(document)
            assert document, words


def open_files(served: Served) -> int:
    """Return how many files the worker holds open."""
    return len([*Path(f"/proc/{served.pids[-1]}/fd").iterdir()])


def test_commands_leave_no_file_open_in_the_service(run: Any) -> None:
    """All commands again and again; once all threads of the worker have their sockets, it holds as much as before."""
    served, pynet = run
    make_container(served)

    def all_again(_: int) -> int:
        for words in DOCUMENTS:
            if not words.startswith(NOT_AGAIN):
                pynet(words)
        return open_files(served)

    assert any(before == after for before, after in pairwise(map(all_again, range(10))))


def with_json(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the commands that have ``--json``."""
    if any("--json" in param.opts for param in command.params):
        yield " ".join(words)
    for name, below in getattr(command, "commands", {}).items():
        yield from with_json(below, (*words, name))


def test_every_command_that_prints_json_has_a_schema() -> None:
    """A new command with ``--json`` is a line of the table above."""
    assert [words for words in with_json(main) if not any(key.startswith(words) for key in DOCUMENTS)] == []
