"""A change of a policy ends the flows that it forbids, and no others."""

from ipaddress import ip_address

import pytest

from netlink.conntrack import TrackedFlow
from netlink.errors import KernelError
from plugin.options.network import EndpointSettings
from plugin.protocol.change_messages import SetOptions
from plugin.protocol.messages import Address
from tests.fakes import World
from tests.unit import requests as rq

OWN, OUTSIDE, OTHER, HOST = map(ip_address, ("10.9.0.2", "192.0.2.9", "198.51.100.7", "192.0.2.1"))
FROM, EGRESS = EndpointSettings.allow_from.key, EndpointSettings.egress.key
OUT, CLIENTS = EndpointSettings.allow_out.key, EndpointSettings.publish_from.key


def flow(source: Address, target: Address, port: int, at: Address | None = None, proto: int = 6) -> TrackedFlow:
    """Return a flow; with ``at`` it was sent to port 8080 there."""
    return TrackedFlow(proto, source, at or target, 8080 if at else port, target, port)


WEB, DNS, PING = flow(OWN, OUTSIDE, 443), flow(OWN, OTHER, 53, proto=17), flow(OWN, OUTSIDE, 0, proto=1)
INTO, CLIENT, STRANGER = flow(OTHER, OWN, 80), flow(OUTSIDE, OWN, 80, HOST), flow(OTHER, OUTSIDE, 22)
EVERY = [WEB, DNS, PING, INTO, CLIENT, STRANGER]


@pytest.fixture
def world() -> World:
    """A network with a container, and flows of it and of others."""
    world = World()
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.conntrack.flows = list(EVERY)
    return world


@pytest.mark.parametrize(
    ("options", "ended"),
    [
        ({EGRESS: "deny"}, [WEB, DNS, PING]),
        ({EGRESS: "deny", OUT: "tcp/443 @ 192.0.2.0/24, icmp"}, [DNS]),
        ({EGRESS: "deny", OUT: "dns:github.com tcp/443"}, [WEB, DNS, PING]),
        ({FROM: "none"}, [INTO]),
        ({FROM: "tcp/80 @ 198.51.100.0/24"}, []),
        ({CLIENTS: "198.51.100.0/24"}, [CLIENT]),
        ({CLIENTS: "192.0.2.9"}, []),
        ({EGRESS: "allow"}, []),
    ],
)
def test_a_change_ends_what_it_forbids(world: World, options: dict[str, str], ended: list[TrackedFlow]) -> None:
    """Flows that stay allowed live on, and so do those of others."""
    world.live.set_options(SetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID, options))

    assert [one for one in EVERY if one not in world.conntrack.flows] == ended


def test_the_default_of_a_network_ends_flows_of_its_containers(world: World) -> None:
    """A change of a network is one for each of its containers; another option lists nothing."""
    world.live.set_options(SetOptions(rq.NETWORK_ID, "", {FROM: "none", EGRESS: "deny"}))
    assert world.conntrack.flows == [CLIENT, STRANGER]

    world.conntrack.flows = list(EVERY)
    world.live.set_options(SetOptions(rq.NETWORK_ID, "", {"pynet.guard": "off"}))
    assert world.conntrack.flows == EVERY


def test_a_kernel_that_lists_no_flows_does_not_undo_the_change(world: World) -> None:
    """The policy is in force for new connections; the log says that old ones were not ended."""
    world.conntrack.error = KernelError("forget tracked flows: no connection tracking")
    changed = world.live.set_options(SetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID, {FROM: "none"}))

    assert [each.key for each in changed.settings] == [FROM]
    assert world.conntrack.flows == EVERY
