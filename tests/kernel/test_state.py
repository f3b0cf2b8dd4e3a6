"""A served pynet whose state is damaged, deleted, put back, or out of room."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.exit_codes import TAKEN
from cli.main import main
from tests.kernel.container import sh
from tests.kernel.served import Served
from tests.kernel.test_disk import fill

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]

NETWORK, OTHER, ENDPOINT = "a1" * 32, "b2" * 32, "e0" * 32
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
GENERIC = "com.docker.network.generic"
BINDING = {"Proto": 6, "Port": 80, "HostIP": "0.0.0.0", "HostPort": 8080, "HostPortEnd": 8080}
PORTS = {"com.docker.network.portmap": [BINDING]}


@pytest.fixture
def served(disk: Path) -> Iterator[Served]:
    """A pynet on a small disk of its own, with a network, a container and a published port."""
    served = Served(disk)
    try:
        served.start()
        assert create(served, NETWORK, 9) == {}
        interface = {"Address": "10.9.0.2/24"}
        served.call("NetworkDriver.CreateEndpoint", **IDS, Interface=interface, Options={})
        served.call("NetworkDriver.Join", **IDS, SandboxKey="/x", Options={})
        assert served.call("NetworkDriver.ProgramExternalConnectivity", **IDS, Options=PORTS) == {}
        yield served
    finally:
        served.kill()


def create(served: Served, network: str, number: int, ballast: str = "") -> dict[str, object]:
    """Make a network, with an option of no meaning that takes room; return the reply."""
    data = [{"Pool": f"10.{number}.0.0/24", "Gateway": f"10.{number}.0.1/24"}]
    options = {GENERIC: {"com.docker.network.bridge.enable_icc": "false", "ballast": ballast}}
    return served.call("NetworkDriver.CreateNetwork", NetworkID=network, Options=options, IPv4Data=data, IPv6Data=[])


def delete_all(served: Served) -> list[dict[str, object]]:
    """Let the engine take everything down; return the replies."""
    verbs = ("Leave", "DeleteEndpoint", "DeleteNetwork")
    return [served.call(f"NetworkDriver.{verb}", **IDS) for verb in verbs]


def look() -> str:
    """Return links, addresses and rules; and who holds the port."""
    return sh("ip -4 -o addr; ip -o link | cut -d: -f 2; nft list ruleset; ss -Hltn | sort")


def scribble(path: Path) -> None:
    """Overwrite the head of the database, and its log with it."""
    path.write_bytes(b"\xff" * 4096 + path.read_bytes()[4096:])
    path.with_name("pynet.db-wal").write_bytes(b"\xff" * 8192)


def delete(path: Path) -> None:
    """Remove every file of the database."""
    for file in path.parent.glob("pynet.db*"):
        file.unlink()


LOSSES: dict[str, Callable[[Path], object]] = {
    "header and log": scribble,
    "noise": lambda path: path.write_bytes(b"\xff" * 8192),
    "file": delete,
    "folder": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_state_is_made_again_from_the_kernel(served: Served, loss: str) -> None:
    """After kill -9 the host is as it was, to the last rule, and the engine can take all of it down."""
    before = look()
    served.kill()
    LOSSES[loss](served.state / "pynet.db")
    served.start()

    assert look() == before
    assert '"level": "error"' in served.log.read_text()
    assert delete_all(served) == [{}, {}, {}]
    assert create(served, OTHER, 9) == {}


@pytest.mark.parametrize("loss", ["file", "folder"])
def test_a_state_that_is_deleted_under_the_running_process_is_written_again(served: Served, loss: str) -> None:
    """The next call succeeds and writes everything; a kill after it loses nothing."""
    LOSSES[loss](served.state / "pynet.db")
    assert create(served, OTHER, 8) == {}
    before = look()
    served.kill()
    served.start()

    assert look() == before
    with sqlite3.connect(served.state / "pynet.db") as connection:
        kinds = dict(connection.execute("SELECT kind, count(*) FROM record GROUP BY kind"))
    connection.close()
    assert (kinds["network"], kinds["endpoint"]) == (2, 1)


def test_a_full_disk_fails_the_call_and_leaves_nothing(served: Served) -> None:
    """A full disk fails the call with a sentence and leaves nothing, and the next call succeeds."""
    filler = fill(served.state.parent)
    number, before = 10, look()
    while not (reply := create(served, f"{number:02x}" * 32, number, ballast="x" * 900_000)):
        number, before = number + 1, look()  # there is room in the log

    assert "the disk is full" in str(reply["Err"])
    assert look() == before
    filler.unlink()
    assert create(served, f"{number:02x}" * 32, number) == {}


def test_a_backup_of_the_running_service_comes_back(served: Served, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A backup of the running service can be restored; the next start removes a network that came later."""
    copy = tmp_path_factory.mktemp("backup") / "copy"
    env = {"PYNET_SOCKET": str(served.socket), "PYNET_STATE_DIR": str(served.state)}
    before = look()
    assert CliRunner().invoke(main, ["backup", str(copy)], env=env).exit_code == 0
    assert create(served, OTHER, 8) == {}
    assert CliRunner().invoke(main, ["restore", str(copy)], env=env).exit_code == TAKEN
    served.kill()
    assert CliRunner().invoke(main, ["restore", str(copy)], env=env).exit_code == 0
    served.start()
    for _ in range(50):
        served.call("NetworkDriver.CreateNetwork", NetworkID="c3" * 32)  # refused; gives the reaper time
        if look() == before:
            return
        sh("sleep 0.1")

    assert look() == before
