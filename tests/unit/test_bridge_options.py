"""What each option of a network does, on an imaginary host."""

import pytest

from netlink.links import Link
from plugin.errors import Conflict, InvalidRequest
from plugin.model.records import Network
from plugin.protocol.messages import GwAllocCheck, NetworkOptions
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_publisher import elements

BRIDGE = "com.docker.network.bridge."
LINK = "pn-a1a1a1a1a1a1"
NO_SOURCES_6 = ("::", "::1", "ff02::1", "fe80::1%eth0", "::ffff:192.0.2.1")
DUAL = ("10.9.0.1/24", "fd00:9::1/64")


def made(world: World, **options: str) -> World:
    """Return ``world`` with a network of these bridge options."""
    generic = {BRIDGE + key: value for key, value in options.items()}
    world.driver.create_network(rq.network(options=generic))
    return world


def test_masquerading_can_be_switched_off(world: World) -> None:
    """Without masquerading the network is in no set that translates leaving packets."""
    made(world, enable_ip_masquerade="false")
    assert elements(world, "masqueraded") == []


def test_the_source_address_can_be_chosen(world: World) -> None:
    """A chosen source address is in a map; the other family is masqueraded."""
    options = {"com.docker.network.host_ipv4": "192.0.2.7"}
    world.driver.create_network(rq.network(rq.NETWORK_ID, *DUAL, options=options))

    assert elements(world, "sources4") == [f'"{LINK}" : 192.0.2.7']
    assert elements(world, "masqueraded") == [f'"{LINK}" . ipv6']


def test_without_icc_ports_of_the_bridge_are_closed_to_each_other(world: World) -> None:
    """The endpoint's port is in the set, and the network may not talk inside itself."""
    made(world, enable_icc="false").driver.create_endpoint(rq.endpoint())

    assert elements(world, "isolated_ports") == [f'"pnh{rq.ENDPOINT_ID[:12]}"']
    assert elements(world, "same_network") == []


def test_without_icc_nothing_is_accepted_before_the_neighbours_are_closed(world: World) -> None:
    """The addresses of a closed port are not in the set that the first rules of prerouting accept."""
    made(world, enable_icc="false").driver.create_endpoint(rq.endpoint())

    assert elements(world, "port_addresses4") == []
    assert elements(world, "isolated_addresses4") == [f'"pnh{rq.ENDPOINT_ID[:12]}" . 02:42:0a:09:00:02 . 10.9.0.2']


@pytest.mark.parametrize(
    ("mode", "outbound", "unprotected", "direct"),
    [
        ("nat", [f'"{LINK}" . ipv4'], [], []),
        ("nat-unprotected", [f'"{LINK}" . ipv4'], [f'"{LINK}" . ipv4'], []),
        ("routed", [], [], [f'"{LINK}" . ipv4 . icmp']),
    ],
)
def test_gateway_modes(world: World, mode: str, outbound: list[str], unprotected: list[str], direct: list[str]) -> None:
    """Each gateway mode decides which packets are translated, and which may come in from outside."""
    made(world, gateway_mode_ipv4=mode)

    found = (elements(world, "masqueraded"), elements(world, "unprotected"), elements(world, "routed_icmp"))
    assert found == (outbound, unprotected, direct)


def test_an_isolated_network_has_no_gateway(world: World) -> None:
    """No address on the bridge, no IPv6 on it, and no gateway to reserve."""
    modes = {f"{BRIDGE}gateway_mode_ipv{version}": "isolated" for version in (4, 6)}
    world.driver.create_network(rq.network(rq.NETWORK_ID, *DUAL, internal=True, options=modes))
    reply = world.driver.gw_alloc_check(GwAllocCheck(NetworkOptions(generic=modes, internal=True)))

    assert world.kernel.addresses() == []
    assert world.kernel.read_setting(f"net/ipv6/conf/{LINK}/disable_ipv6") == "1"
    assert (reply.skip_ipv4, reply.skip_ipv6) == (True, True)


def test_an_external_router_is_the_containers_gateway(world: World) -> None:
    """With inhibit_ipv4 the bridge has no address, and containers get the gateway all the same."""
    made(world, inhibit_ipv4="true").driver.create_endpoint(rq.endpoint())

    assert world.kernel.addresses() == []
    assert str(world.driver.join(rq.join()).gateway) == "10.9.0.1"


def test_the_engine_may_publish(world: World) -> None:
    """Without a gateway of ours it adds its own network."""
    world.driver.create_network(rq.network(options={"pynet.publish": "engine"}))
    world.driver.create_endpoint(rq.endpoint())

    assert world.driver.join(rq.join()).gateway is None


def test_a_bridge_that_exists_is_adopted(world: World) -> None:
    """An existing bridge gets the gateway address and loses it again; the bridge and its own addresses stay."""
    world.kernel.by_name["br-mine"] = Link(7, "br-mine", "bridge")
    made(world, name="br-mine")
    assert [(link, str(address)) for link, address in world.kernel.addresses()] == [("br-mine", "10.9.0.1/24")]
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert (world.kernel.link_exists("br-mine"), world.kernel.addresses()) == (True, [])
    assert world.kernel.settings["net/ipv4/conf/br-mine/route_localnet"] == "0"


def test_an_address_of_an_adopted_bridge_stays(world: World) -> None:
    """The gateway that the bridge had before is its owner's."""
    world.kernel.by_name["br-mine"] = Link(7, "br-mine", "bridge")
    world.kernel.add_address("br-mine", rq.ipam("10.9.0.1/24").gateway)  # type: ignore[arg-type]
    made(world, name="br-mine").driver.delete_network(rq.NETWORK)

    assert [str(address) for _, address in world.kernel.addresses()] == ["10.9.0.1/24"]


def test_a_repeated_request_finds_its_adopted_bridge(world: World) -> None:
    """The second CreateNetwork changes nothing."""
    world.kernel.by_name["br-mine"] = Link(7, "br-mine", "bridge")
    before = made(world, name="br-mine").snapshot()
    made(world, name="br-mine")

    assert world.snapshot() == before


def test_two_networks_do_not_share_a_bridge(world: World) -> None:
    """The text names the link and the network that has it."""
    made(world, name="br-mine")
    other = rq.network(rq.OTHER_ID, "10.8.0.1/24", options={BRIDGE + "name": "br-mine"})

    with pytest.raises(Conflict, match="link 'br-mine' belongs to network 'a1a1a1a1a1a1' already"):
        world.driver.create_network(other)


@pytest.mark.parametrize("text", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "127.0.0.1", *NO_SOURCES_6])
def test_nothing_leaves_from_an_address_of_no_host(world: World, text: str) -> None:
    """A source address must be unicast and without a zone; the refusal names the option."""
    key = f"com.docker.network.host_ipv{6 if ':' in text else 4}"
    with pytest.raises(InvalidRequest, match=f"option '{key}' must be an IPv. address, unicast, not '{text}'"):
        world.driver.create_network(rq.network(options={key: text}))


def test_nothing_leaves_from_an_address_of_a_container(world: World) -> None:
    """A source in the network's own subnet is refused; on a bridge that exists it may be the host's."""
    options = {"com.docker.network.host_ipv4": "10.9.0.7"}
    with pytest.raises(InvalidRequest, match=r"must be an address of the host, not '10.9.0.7' of .* '10.9.0.0/24'"):
        world.driver.create_network(rq.network(options=options))
    world.kernel.by_name["br-mine"] = Link(7, "br-mine", "bridge", mac="02:00:00:00:00:07")

    world.driver.create_network(rq.network(options={**options, BRIDGE + "name": "br-mine"}))
    assert elements(world, "sources4") == ['"br-mine" : 10.9.0.7']


@pytest.mark.parametrize(
    "subnet", ["127.5.0.1/16", "126.0.0.1/7", "225.0.0.1/16", "255.255.255.1/24", "::5/112", "ff05::1/64"]
)
def test_a_subnet_of_no_hosts_is_refused(world: World, subnet: str) -> None:
    """A subnet without usable addresses is refused from every address manager, and nothing is made."""
    before = world.snapshot()
    with pytest.raises(InvalidRequest, match=r"subnet '.*' holds .* address.*, which no container can use"):
        world.driver.create_network(rq.network(rq.NETWORK_ID, subnet))

    assert world.snapshot() == before


@pytest.mark.parametrize("subnet", ["240.1.0.1/16", "0.1.0.1/16", "169.254.7.1/24", "fe80::1/64"])
def test_a_subnet_of_rare_hosts_is_served(world: World, subnet: str) -> None:
    """The kernel takes their addresses for unicast, and the built-in driver serves them (20.10, 28.5)."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, subnet))
    assert [str(address) for _, address in world.kernel.addresses()] == [subnet]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"name": "x" * 16}, "must be a name of up to 15 bytes"),
        ({"name": "br*"}, "must be a name of up to 15 bytes"),
        ({"name": "a%d"}, "must be a name of up to 15 bytes"),
        ({"name": "a\x1b[2J"}, "must be a name of up to 15 bytes"),
        ({"name": "all"}, "must be a name of up to 15 bytes"),
        ({"trusted_host_interfaces": "eth0:eth*"}, "names of links, with colons between them"),
        ({"name": "lo"}, "the existing interface 'lo' is not a bridge"),
        ({"name": "docker0"}, "a name of Docker's own bridges"),
        ({"gateway_mode_ipv4": "isolated"}, "isolated is for internal networks only"),
        ({"gateway_mode_ipv6": "bridged"}, "must be nat, nat-unprotected, routed or isolated, not 'bridged'"),
        ({"enable_icc": "perhaps"}, "must be true or false, not 'perhaps'"),
        ({"enable_ip_masquerade": "2"}, "must be true or false"),
        ({"inhibit_ipv4": "x"}, "must be true or false"),
        ({"host_binding_ipv4": "localhost"}, "must be an IP address"),
        ({"host_binding_ipv4": "::1%eth0;x"}, "must be an IP address"),
        ({"host_binding_ipv4": "224.0.0.1"}, "must be an IP address, unicast or 0.0.0.0 or ::"),
        ({"trusted_host_interfaces": "a b"}, "must be names of links"),
    ],
)
def test_bad_values_are_refused_before_anything_is_touched(
    world: World, options: dict[str, str], sentence: str
) -> None:
    """The text names the option and the rule; kernel and store are as before."""
    world.kernel.by_name["lo"] = Link(1, "lo", "")
    before = world.snapshot()
    with pytest.raises(InvalidRequest, match=sentence):
        made(world, **options)

    assert world.snapshot() == before
    assert not world.store.list(Network)
