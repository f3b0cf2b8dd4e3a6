"""What the verbs mean, on an imaginary host."""

import pytest

from netlink.links import Link
from plugin.errors import Conflict, InvalidRequest, NotFound
from plugin.protocol.messages import CreateNetwork
from tests.fakes import World
from tests.unit import requests as rq


def bridge(world: World) -> Link:
    """Return the only bridge of the host."""
    (link,) = [link for link in world.kernel.links() if link.kind == "bridge"]
    return link


def test_a_network_is_a_bridge_with_its_gateways(world: World) -> None:
    """CreateNetwork makes a bridge named after the id, with the full id as alias and one gateway a family."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))

    link = bridge(world)
    assert link.name == "pn-a1a1a1a1a1a1"
    assert link.alias == f"pynet/network/{rq.NETWORK_ID}"
    assert [str(address) for _, address in world.kernel.addresses()] == ["10.9.0.1/24", "fd00:9::1/64"]


def test_an_endpoint_is_a_veth_pair_in_the_bridge(world: World) -> None:
    """CreateEndpoint puts one end into the bridge and leaves the other, with its MAC, for the engine."""
    world.driver.create_network(rq.network(options={"com.docker.network.driver.mtu": "1400"}))
    reply = world.driver.create_endpoint(rq.endpoint())

    host, peer = world.kernel.by_name["pnhe0e0e0e0e0e0"], world.kernel.by_name["pnce0e0e0e0e0e0"]
    assert host.master == bridge(world).index
    assert (host.mtu, peer.mtu, bridge(world).mtu) == (1400, 1400, 1400)
    assert peer.mac == reply.interface.mac_address == "02:42:0a:09:00:02"


def test_a_given_mac_is_used_and_not_echoed(world: World) -> None:
    """The engine takes an echoed MAC for a modified interface and fails the start."""
    world.driver.create_network(rq.network())
    reply = world.driver.create_endpoint(rq.endpoint(mac="02:aa:bb:cc:dd:ee"))

    assert reply.interface.mac_address is None
    assert world.kernel.by_name["pnce0e0e0e0e0e0"].mac == "02:aa:bb:cc:dd:ee"


@pytest.mark.parametrize(
    ("internal", "gateway", "gateway_ipv6"), [(False, "10.9.0.1", "fd00:9::1"), (True, "None", "None")]
)
def test_join_names_the_gateways_unless_internal(world: World, internal: bool, gateway: str, gateway_ipv6: str) -> None:
    """The engine installs whatever gateway a driver returns, so an internal network must return none."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", internal=internal))
    world.driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))
    reply = world.driver.join(rq.join())

    assert (reply.src_name, reply.dst_prefix) == ("pnce0e0e0e0e0e0", "eth")
    assert (str(reply.gateway), str(reply.gateway_ipv6)) == (gateway, gateway_ipv6)


def test_join_gives_no_gateway_of_a_family_without_address(world: World) -> None:
    """An endpoint without IPv6 address gets no IPv6 default route, whatever the network has."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    world.driver.create_endpoint(rq.endpoint())

    assert world.driver.join(rq.join()).gateway_ipv6 is None


def test_the_interface_prefix_is_the_users(world: World) -> None:
    """container_iface_prefix names the interface in the container."""
    world.driver.create_network(rq.network(options={"com.docker.network.container_iface_prefix": "lan"}))
    world.driver.create_endpoint(rq.endpoint())

    assert world.driver.join(rq.join()).dst_prefix == "lan"


def test_a_whole_life_leaves_nothing(world: World) -> None:
    """After create and delete in the engine's order, the host is as before."""
    before = world.snapshot()
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.join(rq.join())
    world.driver.leave(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.snapshot() == before


def test_delete_network_takes_its_endpoints_along(world: World) -> None:
    """DeleteNetwork may overtake DeleteEndpoint (28.1); the late one then finds nothing and succeeds."""
    before = world.snapshot()
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.delete_network(rq.NETWORK)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.bury()

    assert world.snapshot() == before


def test_repeated_verbs_change_nothing(world: World) -> None:
    """The engine repeats a call whose connection broke; the second one answers like the first."""
    world.driver.create_network(rq.network())
    first = world.driver.create_endpoint(rq.endpoint())
    before = world.snapshot()
    world.driver.create_network(rq.network())
    again = world.driver.create_endpoint(rq.endpoint())

    assert again == first
    assert world.snapshot() == before


def test_removing_verbs_succeed_for_unknown_ids(world: World) -> None:
    """The engine rolls back what it never finished, and forgets what it did."""
    before = world.snapshot()
    world.driver.leave(rq.ENDPOINT)
    world.driver.revoke_external_connectivity(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)

    assert world.snapshot() == before


def test_endpoints_of_unknown_networks_are_refused(world: World) -> None:
    """The sentence names the network, because the engine shows it in docker run."""
    with pytest.raises(NotFound, match="network 'a1a1a1a1a1a1' is not known"):
        world.driver.create_endpoint(rq.endpoint())


def test_join_of_an_unknown_endpoint_is_refused(world: World) -> None:
    """The sentence names the endpoint."""
    world.driver.create_network(rq.network())

    with pytest.raises(NotFound, match="endpoint 'e0e0e0e0e0e0'"):
        world.driver.join(rq.join())


def test_overlapping_subnets_are_refused(world: World) -> None:
    """A network that overlaps another one is refused; the text names both subnets and the other network."""
    world.driver.create_network(rq.network())
    before = world.snapshot()

    with pytest.raises(Conflict, match=r"10\.9\.0\.128/25 overlaps subnet 10\.9\.0\.0/24 of network 'a1a1a1a1a1a1'"):
        world.driver.create_network(rq.network(rq.OTHER_ID, "10.9.0.129/25"))

    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (rq.network(rq.NETWORK_ID, "10.1.0.1/24", "10.2.0.1/24"), "one IPv4 subnet, not 2: 10.1.0.0/24, 10.2.0.0/24"),
        (rq.network(rq.NETWORK_ID, "0.0.0.0/0"), "not one that gives 0.0.0.0/0"),
        (rq.network(options={"com.docker.network.driver.mtu": "abc"}), "mtu' must be a number of bytes, .* not 'abc'"),
        (rq.network(options={"com.docker.network.driver.mtu": "-1"}), "not '-1'"),
        (rq.network(options={"com.docker.network.container_iface_prefix": "a b"}), "not 'a b'"),
        (rq.network(options={"pynet.nonsense": "1"}), "'pynet.nonsense' is not known; .*pynet.mode"),
        (rq.network(options={"pynet.mode": "magic"}), "'pynet.mode' must be bridge or overlay .*, not 'magic'"),
    ],
)
def test_bad_networks_are_refused_untouched(world: World, request_: CreateNetwork, sentence: str) -> None:
    """The sentence names the value and the rule, and nothing is changed."""
    before = world.snapshot()

    with pytest.raises(InvalidRequest, match=sentence):
        world.driver.create_network(request_)

    assert world.snapshot() == before


def test_unknown_foreign_options_are_ignored(world: World) -> None:
    """Keys of other drivers pass, as they do with the built-in bridge."""
    world.driver.create_network(rq.network(options={"com.example.colour": "blue"}))

    assert bridge(world).up


def test_unknown_endpoint_options_of_pynet_are_refused(world: World) -> None:
    """A misspelt --driver-opt is not silently ignored."""
    world.driver.create_network(rq.network())

    with pytest.raises(InvalidRequest, match=r"pynet\.rat"):
        world.driver.create_endpoint(rq.endpoint(driver_opts={"pynet.rat": "1mbit"}))
