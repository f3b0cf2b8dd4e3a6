"""The rights of a served pynet, and the rights to talk to it."""

import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.server.privileges import KEPT
from tests.kernel.container import sh
from tests.kernel.served import Served

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]

NETWORK, ENDPOINT = "a1" * 32, "e0" * 32
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
MASK = sum(1 << number for number in KEPT)
CHILD = """
from cli.server.privileges import drop_privileges
from netlink.nftables import CommandRunner, Nftables
drop_privileges()
nft = Nftables(CommandRunner())
nft.apply("table inet t { set s { type ifname; }; }")
print(nft.list("table inet t"))
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A pynet that answers."""
    served = Served(tmp_path)
    try:
        served.start()
        yield served
    finally:
        served.kill()


def status(path: Path) -> dict[str, str]:
    """Return /proc/PID/status as a dict."""
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def test_every_thread_has_three_capabilities_and_no_way_to_more(served: Served) -> None:
    """Parent, worker and each of their threads have only three capabilities, in all sets."""
    tasks = []
    for path in [path for pid in served.pids for path in Path(f"/proc/{pid}/task").glob("*/status")]:
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end just now
            tasks.append(status(path))

    assert len(tasks) > 4
    for task in tasks:
        assert [int(task[name], 16) for name in SETS] == [0, MASK, MASK, MASK, 0]
        assert task["NoNewPrivs"] == "1"


def test_that_is_enough_for_everything(served: Served) -> None:
    """Three capabilities are enough to make and remove a dual-stack network, forwarding and ports below 1024."""
    data = [{"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}]
    data6 = [{"Pool": "fd00:9::/64", "Gateway": "fd00:9::1/64"}]
    ids = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
    ports = [{"Proto": proto, "Port": 80, "HostPort": 80, "HostPortEnd": 80} for proto in (6, 17, 132)]
    replies = [
        served.call("NetworkDriver.CreateNetwork", NetworkID=NETWORK, Options={}, IPv4Data=data, IPv6Data=data6),
        served.call("IpamDriver.RequestPool", AddressSpace="pynet-local"),
        served.call("NetworkDriver.CreateEndpoint", **ids, Interface={"Address": "10.9.0.2/24"}, Options={}),
        served.call("NetworkDriver.Join", **ids, SandboxKey="/x", Options={}),
        served.call("NetworkDriver.ProgramExternalConnectivity", **ids, Options={"com.docker.network.portmap": ports}),
        served.call("NetworkDriver.Leave", **ids),
        served.call("NetworkDriver.DeleteEndpoint", **ids),
        served.call("NetworkDriver.DeleteNetwork", NetworkID=NETWORK),
    ]

    assert [reply.get("Err") for reply in replies] == [None] * len(replies)


def test_nft_as_a_child_process_can_do_its_work() -> None:
    """Without the library, nft as a child process has enough rights: those that the bounding set leaves."""
    assert "'name': 's'" in sh(f"{sys.executable} -c '{CHILD}'")


def test_nothing_listens_but_the_socket(served: Served) -> None:
    """In pynet's own namespace nothing listens on TCP, UDP or raw sockets; the unix socket is for root."""
    tables = [Path(f"/proc/{served.pids[-1]}/net/{name}{six}") for name in ("tcp", "udp", "raw") for six in ("", "6")]

    assert [table.read_text().splitlines()[1:] for table in tables] == [[]] * 6
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (served.socket, served.socket.parent, served.state)]
    assert modes == [0o600, 0o755, 0o700]


@pytest.mark.parametrize(
    ("missing", "code", "sentence"),
    [
        ("net_admin", 77, "Error: start pynet: capability NET_ADMIN is missing, without which no link and no rule can"),
        ("net_bind_service", None, "capability NET_BIND_SERVICE is missing: ports below 1024 cannot be published"),
    ],
)
def test_a_missing_capability_is_named(tmp_path: Path, missing: str, code: int | None, sentence: str) -> None:
    """Without NET_ADMIN pynet does not start; without NET_BIND_SERVICE it starts with a warning."""
    served = Served(tmp_path, "setpriv", f"--bounding-set=-{missing}", f"--inh-caps=-{missing}")
    process = served.spawn()
    try:
        if code is None:
            served.call("Plugin.Activate")
        else:
            process.wait(30)
        assert process.poll() == code
        assert sentence in served.log.read_text()
    finally:
        served.kill()
