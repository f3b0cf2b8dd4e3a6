"""``pynet trace``: what marks the packets, and how events become packets."""

import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import cast

import pytest

from cli.commands.name_book import NameBook
from cli.commands.trace import RuleTexts, TraceBooks, TraceWish, flow_of, seconds_of, traced
from cli.engine.inventory import Inventory, ListedContainer
from cli.exit_codes import BadUsage
from netlink.headers import Headers
from netlink.nft_text import RuleText, rules_by_handle
from netlink.nftrace import TraceEvent, TraceEvents
from plugin.errors import InvalidRequest, NotFound
from plugin.firewall.chain_words import WORDS, chain_words, reason_of
from plugin.firewall.ruleset import RULES
from plugin.observe.traced_packets import SETTLED, TracedPackets
from plugin.observe.tracing import TracedEnd, TracedFlow, parse_service, trace_text
from plugin.protocol.path_messages import EndKind, Service
from tests.unit.test_drops_command import NETWORK, Host

LISTING = """\
table ip filter { # handle 1
    set some { # handle 4
        type ipv4_addr
    }

    chain FORWARD { # handle 2
        type filter hook forward priority filter; policy drop;
        counter jump DOCKER-USER # handle 7
        iifname vmap { "a" : accept,
                   "b" : drop } # handle 9
    }
}
table inet pynet { # handle 2
    chain forward { # handle 3
        accept # handle 7
    }
}
"""
WEB = TracedEnd(EndKind.CONTAINER, (ip_address("10.9.0.2"), ip_address("fd00:9::2")))
SYN = Headers("tcp", ip_address("10.9.0.2"), ip_address("10.8.0.3"), 4000, 80, "SYN")
V4 = ("inet", "ip")


def event(
    table: str, chain: str, verdict: str = "continue", packet: int = 1, headers: Headers | None = SYN
) -> TraceEvent:
    """Return an event of a packet of IPv4."""
    return TraceEvent(packet, V4, table, chain, 7, verdict, headers=headers, link_in="pn-a0")


def test_rules_are_found_by_their_handles() -> None:
    """Handles are numbers of a table; a rule on two lines is one, and other objects are none."""
    assert rules_by_handle(LISTING) == {
        ("ip", "filter", 7): RuleText("FORWARD", "counter jump DOCKER-USER"),
        ("ip", "filter", 9): RuleText("FORWARD", 'iifname vmap { "a" : accept, "b" : drop }'),
        ("inet", "pynet", 7): RuleText("forward", "accept"),
    }
    texts = RuleTexts(lambda: LISTING)
    assert texts.rule(event("filter", "FORWARD")) == ("ip", RuleText("FORWARD", "counter jump DOCKER-USER"))
    assert texts.rule(event("filter", "INPUT")) == ("inet", None)


class Restless:
    """A flow that never pauses: an event of a new packet every 20 ms."""

    def __init__(self) -> None:
        self.told = 0

    def events(self, _seconds: float) -> Iterator[TraceEvent]:
        """Yield events, and never end."""
        while True:
            time.sleep(0.02)
            self.told += 1
            yield event("t", "incoming", packet=self.told, headers=replace(SYN, source_port=self.told))


def test_a_flow_that_never_pauses_is_shown_too() -> None:
    """A trace of two packets ends long before its time, in which 1,500 come."""
    flow = Restless()
    packets = list(traced(cast("TraceEvents", flow), TraceWish("", "", "", 30, 2), "t"))
    assert len(packets) == 2
    assert flow.told < 300


def test_both_directions_and_published_ports_are_marked() -> None:
    """Packets to the target, to its published port and back are marked, also behind a translation, at a limit."""
    target = TracedEnd(EndKind.ADDRESS, (ip_address("10.8.0.3"),))
    text = trace_text("t", TracedFlow(WEB, target, Service("tcp", 80), published=[(None, 8080)]))
    mark = "limit rate 20/second burst 20 packets meta nftrace set 1\n"

    assert f"ip saddr {{ 10.9.0.2 }} ip daddr {{ 10.8.0.3 }} tcp dport 80 {mark}" in text
    assert f"ip saddr {{ 10.8.0.3 }} ip daddr {{ 10.9.0.2 }} tcp sport 80 {mark}" in text
    assert f"ip saddr {{ 10.9.0.2 }} meta nfproto ipv4 fib daddr type local tcp dport 8080 {mark}" in text
    assert "ct direction reply ct original ip saddr { 10.9.0.2 } ip saddr { 10.8.0.3 } tcp sport 80 limit" in text
    assert text.count("flags owner") == 2


def test_the_outside_is_no_network_and_not_the_host() -> None:
    """Subnets of networks are left out, and what is local; a bridge cannot ask what is local."""
    flow = TracedFlow(WEB, TracedEnd(EndKind.OUTSIDE), Service("any"), [ip_network("10.8.0.0/16")])
    inet, _, bridge = trace_text("t", flow).partition("table bridge")

    assert "ip saddr { 10.9.0.2 } meta nfproto ipv4 ip daddr != { 10.8.0.0/16 } fib daddr type != local limit" in inet
    assert "ip6 saddr { fd00:9::2 } meta nfproto ipv6 fib daddr type != local limit" in inet
    assert "ip saddr { 10.9.0.2 } ip daddr != { 10.8.0.0/16 } limit" in bridge
    assert "fib" not in bridge


def test_a_flow_has_the_addresses_and_ports_of_its_ends() -> None:
    """A container is named, and ports of the host that lead to its port are part of the flow."""
    port = {"Proto": "tcp", "HostIP": "0.0.0.0", "HostPort": 8080, "ContainerIP": "10.9.0.2", "ContainerPort": 80}
    others = [{**port, "ContainerPort": 81}, {**port, "HostIP": ""}, {**port, "ContainerIP": "10.8.0.3"}]
    networks = {"Networks": [{"Subnets": [{"Subnet": "10.9.0.0/24"}]}]}
    wish = TraceWish("outside", "web", "tcp/80", 10, 20)
    box = ListedContainer("c0" * 32, "web", runs=True, endpoints={"a0": "e0"})
    known = TraceBooks(NameBook([NETWORK], Inventory({}, [box])), Host().book())
    flow = flow_of(wish, networks, {"Ports": [port, {**port, "HostIP": "192.0.2.1"}, *others]}, known)

    assert flow.target == WEB
    assert flow.published == [(None, 8080), (ip_address("192.0.2.1"), 8080)]
    with pytest.raises(NotFound, match="there is no container 'db', and it is no address, and not host or outside"):
        flow_of(TraceWish("db", "web", "any", 10, 20), networks, {"Ports": []}, known)


@pytest.mark.parametrize(
    "text", ["", "tcp/", "tcp/0", "tcp/65536", "icmp/1", "any/80", "smtp", "80", "tcp/80-90", "tcp/²"]
)
def test_a_service_that_cannot_be_read_is_refused(text: str) -> None:
    """The sentence has the text, and examples."""
    with pytest.raises(InvalidRequest, match=r"is no service; write tcp/80, udp/53, sctp/9, tcp, icmp or any"):
        parse_service(text)


@pytest.mark.parametrize("text", ["", "0s", "-1s", "ever", "10d", "1.5s", "9999999s"])
def test_a_span_that_cannot_be_read_is_refused(text: str) -> None:
    """The sentence has the text, and examples."""
    assert (seconds_of("10"), seconds_of("2m"), seconds_of("1h")) == (10, 120, 3600)
    with pytest.raises(BadUsage, match="is no span of time such as 10s or 2m"):
        seconds_of(text)


def test_events_become_packets_in_order() -> None:
    """A packet keeps its steps under a second number, after a translation too; the next one may have the first."""
    packets, translated = TracedPackets("t"), Headers("tcp", SYN.source, ip_address("10.8.0.9"), 4000, 8080, "SYN")
    heard = (
        event("other", "lost", packet=9),
        event("t", "incoming"),
        event("pynet", "raw", headers=None),
        event("pynet", "forward", packet=2, headers=translated),
        event("t", "incoming"),
        event("pynet", "drop_isolation", "drop"),
    )
    for one in heard:
        packets.hear(one, 0.0)

    first, second = packets.complete(SETTLED)
    assert ([each.chain for each in first.events], first.dropped) == (["raw", "forward"], False)
    assert ([each.chain for each in second.events], second.dropped) == (["drop_isolation"], True)
    assert list(packets.complete(9.0)) == []


def test_every_chain_has_words() -> None:
    """Somebody who reads a trace is told the subject of a chain; a chain that drops has the sentence of its reason."""
    chains = {
        (family, line.split()[1])
        for family, rules in RULES.items()
        for line in rules.splitlines()
        if line.startswith("  chain ")
    }

    assert {(family, chain.rstrip("46")) for family, chain in chains} >= set(WORDS)
    assert [place for place in sorted(chains) if not chain_words(*place)] == []
    assert chain_words("bridge", "guard_arp") == chain_words("bridge", "guard")
    assert chain_words("inet", "drop_isolation").startswith("from outside of its network")
    assert (reason_of("drop_isolation"), reason_of("forward"), chain_words("ip", "FORWARD")) == ("isolation", "", "")
