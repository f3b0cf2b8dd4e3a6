"""Packets of a container, captured on a real host, and commands that are killed while they show something."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.commands.capture import CaptureLimits, PcapFile, compiled, packets
from cli.commands.packet_text import as_words, summary
from cli.exit_codes import BadUsage
from netlink.errors import KernelError, Missing
from netlink.packets import PacketSocket, is_link_gone
from tests.contract.contract import document_validator
from tests.kernel import test_gso as gso
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.kernel.served import Served
from tests.unit import requests as rq

LINK = "pnh020202020202"
PYNET = str(Path(sys.executable).with_name("pynet"))
SEND = """import socket, time
while True:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("10.9.0.2", 9))
    time.sleep(0.1)
"""
NETWORK, ENDPOINT = "a9" * 32, "e9" * 32
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}


@pytest.fixture
def attached(pynet: Pynet, two: tuple[Container, Container]) -> Container:
    """Return a container at 10.9.0.2 behind ``LINK``."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    return two[0]


def taken(source: PacketSocket, number: int) -> list[str]:
    """Return the first packets as words."""
    found = packets(source.read, CaptureLimits(number, 30), lambda: None)
    return [f"{'in' if one.outgoing else 'out'} {as_words(summary(one.data))} {one.length}" for one in found]


@pytest.mark.parametrize("limits", [{}, {"rate_in": "10mbit", "rate_out": "10mbit"}])
def test_both_directions_are_seen_through_a_filter(
    pynet: Pynet, two: tuple[Container, Container], limits: dict[str, str]
) -> None:
    """The filter of tcpdump decides in the kernel; each packet is seen once, also where limits send it around."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2, **limits)
    with closing(PacketSocket(LINK, compiled(["icmp", "and", "host", "10.9.0.2"]))) as source:
        sh("ping -c 1 -s 100 10.9.0.2")
        assert taken(source, 2) == [
            "in icmp 10.9.0.1 > 10.9.0.2 echo request 142",
            "out icmp 10.9.0.2 > 10.9.0.1 echo reply 142",
        ]
        assert (source.read(0.1), source.lost()) == (None, 0)


@pytest.mark.usefixtures("attached")
def test_tcpdump_reads_the_file(tmp_path: Path) -> None:
    """Addresses, lengths and times are those of the packets."""
    with closing(PacketSocket(LINK, compiled(["icmp"]))) as source, (tmp_path / "file").open("wb") as out:
        file = PcapFile(out)
        sh("ping -c 3 -i 0.2 -s 1000 10.9.0.2")
        for packet in packets(source.read, CaptureLimits(6, 30), file.flush):
            file.write(packet)
    read = sh(f"tcpdump -nn -tt -r {tmp_path}/file").splitlines()

    assert [line.split("IP ")[1].split(", id")[0] for line in read[:2]] == [
        "10.9.0.1 > 10.9.0.2: ICMP echo request",
        "10.9.0.2 > 10.9.0.1: ICMP echo reply",
    ]
    assert len(read) == 6
    assert 0.3 < float(read[4].split()[0]) - float(read[0].split()[0]) < 60


def test_packets_above_64_kb_are_whole(pynet: Pynet, containers: list[Container]) -> None:
    """A guarded container with BIG TCP is captured as its link carries it."""
    one, two = gso.attached(pynet, containers, gso="on")
    with closing(PacketSocket(LINK, compiled(["greater", "65600"]))) as source:
        assert gso.large_frames(one, two, "10.9.0.3")
        packet = source.read(30)

    assert packet
    assert len(packet.data) == packet.length > 65600
    assert as_words(summary(packet.data)).startswith("tcp 10.9.0.2:")


def test_a_filter_that_tcpdump_does_not_understand_is_a_sentence() -> None:
    """It has tcpdump's reason, and words that look like options of tcpdump are none."""
    with pytest.raises(BadUsage, match="filter 'tcp prt 80': can't parse filter expression: syntax error"):
        compiled(["tcp", "prt", "80"])
    with pytest.raises(BadUsage, match="filter '-w /tmp/x'"):
        compiled(["-w", "/tmp/x"])


def test_a_link_that_goes_ends_the_capture(attached: Container) -> None:
    """A link that never was is missing."""
    with closing(PacketSocket(LINK)) as source:
        attached.sh("ip link del eth0")
        with pytest.raises(KernelError) as gone:
            while source.read(5):
                pass
    assert is_link_gone(gone.value)
    with pytest.raises(Missing, match=f"see the packets of link '{LINK}'"):
        PacketSocket(LINK)


@pytest.fixture
def typed(tmp_path: Path, two: tuple[Container, Container]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start ``pynet`` commands beside a served pynet with a container at 10.9.0.2, to which datagrams go all the time.

    Each datagram is a flow of its own.
    """
    served = Served(tmp_path)
    started: list[subprocess.Popen[str]] = []
    env = os.environ | {"PYNET_SOCKET": str(served.socket), "DOCKER_HOST": "unix:///nowhere"}

    def start(*words: str, out: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        started.append(subprocess.Popen([PYNET, *words], env=env, stdout=out, stderr=subprocess.PIPE, text=True))
        return started[-1]

    served.start()
    subnet = {"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}
    served.call("NetworkDriver.CreateNetwork", NetworkID=NETWORK, IPv4Data=[subnet])
    served.call("NetworkDriver.CreateEndpoint", **IDS, Interface={"Address": "10.9.0.2/24"}, Options={})
    joined = served.call("NetworkDriver.Join", **IDS, SandboxKey=f"/proc/{two[0].pid}/ns/net", Options={})
    two[0].take(joined["InterfaceName"]["SrcName"], "ip addr add 10.9.0.2/24 dev eth0")
    started.append(subprocess.Popen([sys.executable, "-c", SEND], text=True))
    yield start
    for process in started:
        process.kill()
        process.communicate()
    served.kill()


def state() -> list[str]:
    """Return links, rules, sockets that see packets, and sockets that listen to nfnetlink."""
    links = sh("ip -o link") + " ".join(re.findall("promiscuity [0-9]+", sh("ip -d link")))
    own = Path("/proc/thread-self/net")
    rows = [line.split()[1:4] for line in (own / "netlink").read_text().splitlines()]
    listeners = sorted(row for row in rows if row[0] == "12" and int(row[2], 16))
    return [links, sh("nft -s -t list ruleset"), (own / "packet").read_text(), str(listeners)]


@pytest.mark.parametrize("words", ["flows -f", "capture e9e9e9 udp", "capture e9e9e9 udp --json"])
def test_a_killed_command_leaves_nothing(typed: Callable[..., "subprocess.Popen[str]"], words: str) -> None:
    """It is killed while it prints: no socket, link, rule or listener of it is left."""
    before = state()
    command = typed(*words.split())
    assert command.stdout is not None
    assert "udp" in command.stdout.readline()
    assert state() != before
    command.kill()
    command.wait()

    assert state() == before


def test_a_killed_top_leaves_nothing(typed: Callable[..., "subprocess.Popen[str]"]) -> None:
    """It is killed while it draws on a terminal, for the second time at least."""
    before = state()
    screen, terminal = pty.openpty()
    command = typed("top", "--interval", "0.2", out=terminal)
    os.close(terminal)
    drawn = ""
    while drawn.count("e9e9") < 2:
        drawn += os.read(screen, 4096).decode(errors="replace")
    command.kill()
    command.wait()
    os.close(screen)

    assert state() == before


def test_a_capture_is_written_and_printed(
    typed: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file, to a pipe and as JSON, up to a number of packets; standard error says how many."""
    monkeypatch.chdir(tmp_path)
    ends = ("-c", "2", "--seconds", "30")
    ran = [typed("capture", "e9e9e9", "udp", *ends, *more) for more in ([], ["--json"], ["-w", "x.pcap"])]
    said = [process.communicate(timeout=60) for process in ran]

    assert [(err, process.returncode) for process, (_, err) in zip(ran, said, strict=True)] == [
        ("2 packets captured\n", 0)
    ] * 3
    for line in said[1][0].splitlines():
        document_validator("packet").validate(json.loads(line))
    assert len(sh("tcpdump -nn -r x.pcap udp").splitlines()) == 2


REFUSALS = {
    "capture nobody": (74, "does not answer"),
    "capture e9e9e9 -w /nowhere/x.pcap": (74, "write '/nowhere/x.pcap': no such file or directory"),
    "capture e9e9e9 tcp prt 80": (64, "filter 'tcp prt 80': can't parse filter expression: syntax error"),
    "top nobody": (74, "does not answer"),
    "flows nobody": (74, "does not answer"),
}


def test_refusals_are_sentences(typed: Callable[..., "subprocess.Popen[str]"]) -> None:
    """Names are the engine's, which does not answer here; a bad file and a bad filter are named."""
    for command, (code, sentence) in [(typed(*words.split()), wanted) for words, wanted in REFUSALS.items()]:
        printed, said = command.communicate(timeout=60)

        assert (command.returncode, printed) == (code, ""), said
        assert sentence in said
        assert "Traceback" not in said
