"""The trace of real packets of one flow, and the tables that mark them."""

import signal
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from cli.commands.trace import RuleTexts, TraceWish, row_of, traced
from netlink.nftables import Nftables, open_library
from netlink.nftrace import TraceEvents
from plugin.observe.tracing import TracedEnd, TracedFlow, parse_service, trace_text
from plugin.protocol.messages import EndpointRef
from plugin.protocol.path_messages import EndKind
from tests.contract.contract import document_validator
from tests.kernel.container import Container, host_asks, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq
from tests.unit.test_drops_command import Host

ROOT = Path(__file__).parents[2]
DB, NAME = "03" * 32, "pynet-trace-test"
KEEPER = """
import sys, time
from netlink.nftables import Nftables, open_library
Nftables(open_library()).apply(sys.argv[1])
print("ready", flush=True)
time.sleep(60)
"""


def flow(source: str, target: str, service: str, *ports: int) -> TracedFlow:
    """Return a flow between two words: addresses, host or outside."""
    ends = [
        TracedEnd(EndKind(word)) if word in {"host", "outside"} else TracedEnd(EndKind.ADDRESS, (ip_address(word),))
        for word in (source, target)
    ]
    return TracedFlow(ends[0], ends[1], parse_service(service), published=[(None, port) for port in ports])


def steps(wanted: TracedFlow, act: Callable[[], object]) -> list[tuple[str, str]]:
    """Trace what ``act`` sends; return the outcome of each packet, and the chains that it met."""
    nft, known = Nftables(open_library()), Host().book()
    with TraceEvents() as events:
        nft.apply(trace_text(NAME, wanted))
        rules = RuleTexts(nft.rules)
        act()
        packets = list(traced(events, TraceWish("", "", "", 0.5, 50), NAME))
        rows = [row_of(packet, rules, known, "pynet") for packet in packets]
    nft.apply("".join(f"delete table {family} {NAME}\n" for family in ("inet", "bridge")))
    nft.close()
    return [
        (row["reason"] or row["outcome"], " ".join(f"{step['family']}:{step['chain']}" for step in row["steps"]))
        for row in rows
    ]


@pytest.fixture
def server(pynet: Pynet, two: tuple[Container, Container]) -> tuple[Container, Container]:
    """A client on one network, and a server on another, published at port 8080."""
    for network, gateway, number, container in (
        (rq.NETWORK_ID, "10.9.0.1/24", 2, two[0]),
        (rq.OTHER_ID, "10.8.0.1/24", 3, two[1]),
    ):
        pynet.driver.create_network(rq.network(network, gateway))
        pynet.attach(container, network, number)
    two[1].echo()
    pynet.publish(EndpointRef(rq.OTHER_ID, DB), "8080")
    return two


def test_a_dropped_packet_is_followed_from_the_bridge_to_its_reason(server: tuple[Container, Container]) -> None:
    """One packet goes through the guard and the forward chain to the chain of its reason."""
    found = steps(flow("10.9.0.2", "10.8.0.3", "tcp/7777"), lambda: server[0].asks("10.8.0.3", 7777))
    outcome, chains = found[0]

    assert outcome == "isolation"
    assert chains.startswith("bridge:prerouting")
    assert chains.endswith("inet:forward inet:to_containers")


def test_a_published_port_is_followed_both_ways(server: tuple[Container, Container]) -> None:
    """A connection to a published port is followed to the container, and replies back to the client."""
    wanted = flow("10.9.0.2", "10.8.0.3", "tcp/7777", 8080)
    found = steps(wanted, lambda: server[0].asks("10.9.0.1", 8080))

    assert {outcome for outcome, _ in found} == {"passed"}
    assert any("inet:publish" in chains and "inet:to_containers" in chains for _, chains in found)
    assert any("inet:established_flows" in chains for _, chains in found)


def test_the_host_and_the_outside_are_ends(server: tuple[Container, Container], containers: list[Container]) -> None:
    """Packets of the host itself are seen on their way out, and a masqueraded container's replies on their way in."""
    containers.append(Container())
    connect(containers[-1])
    from_host = steps(flow("host", "10.8.0.3", "tcp/7777"), lambda: host_asks("10.8.0.3", 7777))
    outwards = steps(flow("10.9.0.2", "outside", "icmp"), lambda: server[0].reaches("192.0.2.9"))

    assert len(from_host) > 2
    assert len(outwards) == 2
    assert "inet:postrouting" in outwards[0][1]
    assert "inet:established_flows" in outwards[1][1]


def test_a_foreign_chain_is_shown_in_the_words_of_nft(
    server: tuple[Container, Container], containers: list[Container]
) -> None:
    """A rule of another program that drops is named with its table, its chain and its text."""
    sh('nft add table ip mine; nft add chain ip mine wall "{ type filter hook forward priority 10; }"')
    sh("nft add rule ip mine wall ip daddr 192.0.2.9 counter drop")
    containers.append(Container())
    connect(containers[-1])
    nft, known = Nftables(open_library()), Host().book()
    with TraceEvents() as events:
        nft.apply(trace_text(NAME, flow("10.9.0.2", "outside", "icmp")))
        server[0].reaches("192.0.2.9")
        (packet,) = traced(events, TraceWish("", "", "", 5, 1), NAME)
        row = row_of(packet, RuleTexts(nft.rules), known, "pynet")
    nft.close()

    assert (row["outcome"], row["by"], row["reason"]) == ("dropped", "ip mine wall", "")
    document_validator("trace-line").validate(row)
    assert row["steps"][-1]["rule"] == "ip daddr 192.0.2.9 counter drop"


def test_tables_of_a_trace_go_with_its_process() -> None:
    """After kill -9 the kernel has no table of the trace left."""
    command = [sys.executable, "-c", KEEPER, trace_text(NAME, flow("host", "outside", "any"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as keeper:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        assert NAME in sh("nft list tables")
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()

    assert NAME not in sh("nft list tables")
