"""Tracked flows of a real kernel, and the command that prints them."""

from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest

from netlink.flows import END, NEW, Events, Flow, Match, Side, listed
from plugin.protocol.messages import EndpointRef
from tests.kernel.container import Container
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

NETS = ("10.9.0.1/24", "fd00:9::1/64")
ADDRESSES = {4: "192.0.2.1", 6: "2001:db8::1"}


@pytest.fixture
def asked(pynet: Pynet, two: tuple[Container, Container]) -> Iterator[Container]:
    """Return a machine outside, which asked a published port over both families; flows are counted."""
    Path("/proc/sys/net/netfilter/nf_conntrack_acct").write_text("1")
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *NETS))
    connect(two[1])
    two[0].echo()
    pynet.publish(pynet.attach(two[0], rq.NETWORK_ID, 2), "8080")
    for address in ADDRESSES.values():
        assert two[1].asks(address, 8080)
    yield two[1]
    pynet.end()


def packed(text: str) -> bytes:
    """Return an address in network order."""
    return ip_address(text).packed


def seen(match: Match) -> list[Flow]:
    """Return the flows of the published port."""
    return [flow for flow in listed(match) if flow.destination.port == 8080]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("version", "target"), [(4, "10.9.0.2"), (6, "fd00:9::2")])
def test_a_published_connection_has_three_ends_and_counts(version: int, target: str) -> None:
    """Who asks, the place that was asked and the container that answers; the state; bytes of both directions."""
    (flow,) = (one for one in seen(Match()) if one.destination.address == packed(ADDRESSES[version]))

    assert (flow.proto, flow.target.address, flow.target.port) == (6, packed(target), 7777)
    assert flow.state in {"time-wait", "closed", "last-ack", "close-wait", "fin-wait"}
    assert flow.expires
    assert flow.there
    assert flow.there.packets >= 4
    assert flow.back
    assert flow.back.bytes > 200


@pytest.mark.usefixtures("asked")
def test_the_kernel_selects_flows() -> None:
    """By who began it, by who answers, by protocol; in the family of the address."""
    assert {flow.target.address for flow in seen(Match(target=packed("10.9.0.2")))} == {packed("10.9.0.2")}
    assert {flow.target.address for flow in seen(Match(6, version=6))} == {packed("fd00:9::2")}
    assert len(seen(Match(6, source=packed("192.0.2.9")))) == 1
    assert seen(Match(source=packed("10.9.0.2"))) == seen(Match(target=packed("192.0.2.9"))) == []
    assert seen(Match(proto=17, source=packed("192.0.2.9"))) == []


def test_flows_that_begin_and_end_are_heard(pynet: Pynet, asked: Container) -> None:
    """The listener hears a new flow, and its end with what was counted, as when its port is withdrawn."""
    reference = EndpointRef(rq.NETWORK_ID, "02" * 32)
    pynet.publish(reference, "8080", proto=17)
    with closing(Events()) as events:
        assert asked.asks("192.0.2.1", 8080, "udp")
        heard = ((kind, flow) for kind, flow in events if flow and flow.target == Side(packed("10.9.0.2"), 7777))
        assert next(heard)[0] == NEW
        pynet.driver.revoke_external_connectivity(reference)
        kind, ended = next(heard)

    assert kind == END
    assert ended.there
    assert ended.there.packets == 1
