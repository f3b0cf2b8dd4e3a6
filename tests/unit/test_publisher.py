"""Published ports, on a fake host."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from netlink.conntrack import UdpPort
from plugin.errors import Conflict, Exhausted, InvalidRequest
from plugin.model.records import Endpoint, Published
from plugin.protocol.messages import PortBinding, ProgramExternalConnectivity
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.ipam.counting import lines_run
from tests.unit.test_background import restarted

BRIDGE = "com.docker.network.bridge."
OWN_CODE = ("/plugin/publish/", "/plugin/firewall/", "/plugin/network/", "/plugin/driver.py")
OTHER_ENDPOINT = "f1" * 32


def joined(world: World, *gateways: str, ipv6: str | None = None, **options: str) -> World:
    """Return ``world`` with a network of these bridge options and one endpoint."""
    generic = {BRIDGE + key: value for key, value in options.items()}
    world.driver.create_network(rq.network(rq.NETWORK_ID, *gateways, options=generic))
    world.driver.create_endpoint(rq.endpoint(address_ipv6=ipv6))
    return world


def published(world: World) -> tuple[Published, ...]:
    """Return what the endpoint publishes, according to the store."""
    known = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert known is not None
    return known.record.published


def elements(world: World, name: str) -> list[str]:
    """Return the elements of a set or map."""
    return sorted(value for kind, value in world.nft.elements if kind == name)


def test_a_port_is_an_element_and_a_held_socket(world: World) -> None:
    """Without a host address a port is on all IPv4 and IPv6 addresses with one socket; IPv6 to IPv4 is relayed."""
    joined(world).driver.program_external_connectivity(rq.program(8080))

    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.2 . 80"]
    assert world.sockets.taken == {(6, "::", 8080)}
    assert world.sockets.relayed == {(6, "::", 8080): "10.9.0.2 80"}


def test_held_ports_are_asked_for_and_not_copied(world: World) -> None:
    """A round asks for each network, and 1,000 copies of 15,000 ports would cost seconds; the answer is that of now."""
    held, place = world.publisher.held(), (6, ip_address("::"), 8080)
    answers = [place in held]
    joined(world).driver.program_external_connectivity(rq.program(8080))
    answers.append(place in held)
    world.driver.revoke_external_connectivity(rq.ENDPOINT)

    assert [*answers, place in held] == [False, True, False]


def test_a_container_with_ipv6_is_reached_by_it(world: World) -> None:
    """For a container with IPv6 both families are translated, except ::1, which is relayed."""
    joined(world, "10.9.0.1/24", "fd00:9::1/64", ipv6="fd00:9::2/64")
    world.driver.program_external_connectivity(rq.program(8080))

    assert elements(world, "published_ports_any6") == ["tcp . 8080 : fd00:9::2 . 80"]
    assert world.sockets.relayed == {(6, "::", 8080): "fd00:9::2 80"}


def test_a_given_address_is_the_only_one(world: World) -> None:
    """``-p 127.0.0.1:8080:80`` is no port of other addresses."""
    joined(world).driver.program_external_connectivity(rq.program("127.0.0.1:8080"))

    assert elements(world, "published_ports4") == ["127.0.0.1 . tcp . 8080 : 10.9.0.2 . 80"]
    assert (elements(world, "published_ports_any4"), world.sockets.taken) == ([], {(6, "127.0.0.1", 8080)})


def test_the_network_may_choose_the_address(world: World) -> None:
    """``host_binding_ipv4`` is the host address if ``-p`` gives none."""
    joined(world, host_binding_ipv4="127.0.0.1").driver.program_external_connectivity(rq.program(8080))

    assert world.sockets.taken == {(6, "127.0.0.1", 8080)}


def test_any_port_is_the_same_for_both_families(world: World) -> None:
    """A free port of IPv4 that is taken for IPv6 is not used."""
    world.sockets.taken.add((6, "0.0.0.0", 32768))
    joined(world).driver.program_external_connectivity(rq.program(0))

    assert {port.host_port for port in published(world)} == {32769}


def test_the_first_free_port_of_a_range_is_taken(world: World) -> None:
    """``-p 8000-8002:80`` takes the first free port, and none if all are taken."""
    request = rq.program()
    binding = PortBinding(6, 80, host_port=8000, host_port_end=8002)
    request = replace(request, options=replace(request.options, port_map=(binding,)))
    world.sockets.taken |= {(6, "0.0.0.0", 8000), (6, "::", 8001)}
    joined(world).driver.program_external_connectivity(request)
    assert {port.host_port for port in published(world)} == {8002}
    world.driver.revoke_external_connectivity(rq.ENDPOINT)
    world.sockets.taken.add((6, "::", 8002))

    with pytest.raises(Conflict, match="a port of 8000-8002"):
        world.driver.program_external_connectivity(request)


def test_a_taken_port_is_refused_and_nothing_is_held(world: World) -> None:
    """The text names the port; the second port of the container is given back."""
    joined(world)
    world.sockets.taken.add((6, "::", 8081))
    with pytest.raises(Conflict, match=r"port 8081/tcp on \[::\]:8081: address already in use, by another program"):
        world.driver.program_external_connectivity(rq.program(8080, 8081))

    assert world.sockets.taken == {(6, "::", 8081)}
    assert (published(world), elements(world, "published_ports_any4")) == ((), [])


def other(port: str | int) -> ProgramExternalConnectivity:
    """Return the same request of another endpoint."""
    return ProgramExternalConnectivity(rq.NETWORK_ID, OTHER_ENDPOINT, rq.program(port).options)


@pytest.mark.parametrize(
    ("held", "wanted", "on"),
    [
        (8080, 8080, "on 0.0.0.0:8080 and [::]:8080: port is already allocated, to endpoint '{}'"),
        ("10.1.1.1:8080", 8080, "on 10.1.1.1:8080: port is already allocated, to endpoint '{}'"),
        (8080, "10.1.1.1:8080", "on 10.1.1.1:8080: port is already allocated, to endpoint '{}' on 0.0.0.0:8080"),
        ("[fd00::1]:8080", "[::]:8080", "on [fd00::1]:8080: port is already allocated, to endpoint '{}'"),
    ],
)
def test_a_port_of_another_container_is_refused(world: World, held: str | int, wanted: str | int, on: str) -> None:
    """A port of another container is refused; the text names the endpoint and the taken address."""
    joined(world).driver.program_external_connectivity(rq.program(held))
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id=OTHER_ENDPOINT))

    with pytest.raises(Conflict) as refused:
        world.driver.program_external_connectivity(other(wanted))
    assert str(refused.value) == "publish port 8080/tcp " + on.format(rq.ENDPOINT_ID[:12])


@pytest.mark.parametrize(
    ("program", "wanted", "on"),
    [
        ("0.0.0.0", 8080, "on 0.0.0.0:8080: address already in use, by another program of the host"),
        (
            "0.0.0.0",
            "10.1.1.2:8080",
            "on 10.1.1.2:8080: address already in use, by another program of the host on 0.0.0.0:8080",
        ),
        ("10.1.1.2", 8080, "on 10.1.1.2:8080: address already in use, by another program of the host"),
    ],
)
def test_a_port_of_a_program_is_refused(world: World, program: str, wanted: str | int, on: str) -> None:
    """A port of another program is refused; the text says so and names the taken address."""
    world.sockets.taken.add((6, program, 8080))

    with pytest.raises(Conflict) as refused:
        joined(world).driver.program_external_connectivity(rq.program(wanted))
    assert str(refused.value) == "publish port 8080/tcp " + on


def test_a_range_that_is_used_up_says_so(world: World) -> None:
    """A used-up range is refused in Docker's words, with the holder of the last port."""
    binding = PortBinding(6, 80, host_port=8000, host_port_end=8001)
    request = replace(rq.program(), options=replace(rq.program().options, port_map=(binding,)))
    world.sockets.taken |= {(6, "0.0.0.0", 8000), (6, "::", 8001)}
    last = r"the last on \[::\]:8001: address already in use, by another program of the host"
    with pytest.raises(Conflict, match=f"publish a port of 8000-8001: all ports are allocated, {last}"):
        joined(world).driver.program_external_connectivity(request)


def test_a_host_address_of_another_family_is_another_networks(world: World) -> None:
    """A port on a host address of a family that the network lacks is published nowhere, and is no error."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "fd00:9::1/64"))
    world.driver.create_endpoint(rq.endpoint(None, "fd00:9::2/64"))
    world.driver.program_external_connectivity(rq.program("127.0.0.1:8080", 8081))
    assert world.sockets.taken == {(6, "::", 8081)}


def test_an_endpoint_with_another_address_is_not_in_the_way(world: World) -> None:
    """The refusal names the program with the wanted address, not an endpoint with that port elsewhere."""
    joined(world).driver.program_external_connectivity(rq.program("10.1.1.1:8080"))
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id=OTHER_ENDPOINT))
    world.sockets.taken.add((6, "10.1.1.2", 8080))

    with pytest.raises(Conflict, match=r"on 10.1.1.2:8080: address already in use, by another program of the host$"):
        world.driver.program_external_connectivity(other("10.1.1.2:8080"))


def test_a_port_that_cannot_be_held_again_names_the_address(world: World) -> None:
    """If a program took the IPv4 half while pynet was away, the finding names that address."""
    joined(world).driver.program_external_connectivity(rq.program(8080))
    world.publisher.close()
    world.sockets.taken.add((6, "0.0.0.0", 8080))
    endpoint = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert endpoint is not None

    (error,) = world.publisher.restore(endpoint.record).values()
    assert str(error) == "hold port 8080/tcp on 0.0.0.0:8080: address already in use, by another program of the host"


def test_an_address_that_the_host_has_not_is_refused(world: World) -> None:
    """The text says so, instead of "cannot assign requested address"."""
    with pytest.raises(Conflict, match="the host does not have this address"):
        joined(world).driver.program_external_connectivity(rq.program("192.0.2.1:8080"))


def test_a_repeat_replaces(world: World) -> None:
    """A repeated Program keeps sockets of unchanged ports, adds new ports and releases old ones."""
    joined(world).driver.program_external_connectivity(rq.program(0))
    chosen = {port.host_port for port in published(world)}
    world.driver.program_external_connectivity(rq.program(0, 8082))

    assert {port.host_port for port in published(world)} == chosen | {8082}
    assert world.sockets.taken == {(6, "::", port) for port in chosen | {8082}}
    assert len(elements(world, "published_ports_any4")) == 2


@pytest.mark.parametrize("verb", ["revoke_external_connectivity", "leave", "delete_endpoint"])
def test_ports_are_withdrawn_by_each_way_out(world: World, verb: str) -> None:
    """Revoke, Leave and DeleteEndpoint withdraw ports, as no Revoke comes after a restart of the engine."""
    joined(world).driver.program_external_connectivity(rq.program(8080))
    getattr(world.driver, verb)(rq.ENDPOINT)
    getattr(world.driver, verb)(rq.ENDPOINT)

    assert not world.sockets.taken
    assert elements(world, "published_ports_any4") == []


def test_a_restart_holds_the_ports_again(world: World) -> None:
    """Translation and sockets are as before, and the ports can be withdrawn."""
    joined(world).driver.program_external_connectivity(rq.program(8080, 0))
    taken, elements_before = world.sockets.taken, world.nft.elements
    again = restarted(world)
    assert (again.sockets.taken, again.nft.elements) == (taken, elements_before)
    again.driver.revoke_external_connectivity(rq.ENDPOINT)

    assert not again.sockets.taken


def test_routed_mode_opens_the_containers_own_port(world: World) -> None:
    """No port of the host is taken, and the host port of ``-p`` means nothing."""
    joined(world, gateway_mode_ipv4="routed").driver.program_external_connectivity(rq.program(8080))

    assert elements(world, "routed_ports4") == ["10.9.0.2 . tcp . 80"]
    assert not world.sockets.taken


def test_trusted_links_reach_published_ports_directly(world: World) -> None:
    """For trusted links, the container's own address and port are in a set."""
    joined(world, trusted_host_interfaces="eth1:wg0").driver.program_external_connectivity(rq.program(8080))

    assert elements(world, "trusted_ports4") == ["10.9.0.2 . tcp . 80"]
    assert elements(world, "trusted_interfaces") == ['"eth1" . "pn-a1a1a1a1a1a1"', '"wg0" . "pn-a1a1a1a1a1a1"']


def test_udp_flows_through_what_is_published_are_forgotten(world: World) -> None:
    """UDP flows of a port are forgotten when it is published and withdrawn; TCP flows end themselves."""
    joined(world).driver.program_external_connectivity(rq.program("127.0.0.1:8080", proto=17))
    world.driver.program_external_connectivity(rq.program(8081))

    here = UdpPort(ip_address("10.9.0.2"), 80, ip_address("127.0.0.1"), 8080)
    assert world.conntrack.forgotten == [{here}, {here}]


def test_sctp_is_published_like_the_others(world: World) -> None:
    """SCTP, protocol number 132, is published like TCP and UDP."""
    joined(world).driver.program_external_connectivity(rq.program(8080, proto=132))
    assert elements(world, "published_ports_any4") == ["sctp . 8080 : 10.9.0.2 . 80"]


def test_other_protocols_are_refused(world: World) -> None:
    """Protocols other than TCP, UDP and SCTP are refused."""
    with pytest.raises(InvalidRequest, match="protocol 33 is none of tcp, udp and sctp"):
        joined(world).driver.program_external_connectivity(rq.program(8080, proto=33))


@pytest.mark.parametrize("host", ["224.0.0.1", "255.255.255.255", "[ff02::1]", "[::ffff:192.0.2.1]"])
def test_a_port_is_published_on_no_address_of_a_group(world: World, host: str) -> None:
    """Nobody would reach it there, and a socket on it holds nothing."""
    with pytest.raises(InvalidRequest, match=r"publish port 80: .* is no address that a host can have"):
        joined(world).driver.program_external_connectivity(rq.program(f"{host}:8080"))
    assert world.sockets.taken == set()


def test_an_internal_network_publishes_nothing(world: World) -> None:
    """An internal network publishes nothing, although 29.0 asks for it."""
    world.driver.create_network(rq.network(internal=True))
    world.driver.create_endpoint(rq.endpoint())
    world.driver.program_external_connectivity(rq.program(8080))

    assert (published(world), world.sockets.taken) == ((), set())


def test_another_network_may_have_the_ipv6_gateway(world: World) -> None:
    """If another network gets the IPv6 gateway, its endpoint publishes on IPv6 instead of this one."""
    request = rq.program(8080)
    joined(world).driver.program_external_connectivity(request)
    other = replace(request, options=replace(request.options, no_proxy_6to4=True))
    world.driver.program_external_connectivity(other)

    assert world.sockets.taken == {(6, "0.0.0.0", 8080)}
    assert [str(port.host) for port in published(world)] == ["0.0.0.0"]


def test_more_ports_than_sockets_are_refused_before_anything_is_made(world: World) -> None:
    """A request beyond the limit of open files holds no port, and the ports that are published stay."""
    joined(world).driver.program_external_connectivity(rq.program(8080, 8081))
    before, world.sockets.most = world.snapshot(), 4
    with pytest.raises(Exhausted, match=r"publish 5 ports: 2 more can be held of 4, .*LimitNOFILE"):
        world.healed().program_external_connectivity(rq.program(*range(8080, 8085)))
    assert (world.steps.count, world.snapshot()) == (0, before)
    world.driver.program_external_connectivity(rq.program(*range(8080, 8084)))
    world.driver.program_external_connectivity(rq.program(*range(8080, 8084)))

    assert world.sockets.held == 4


def test_the_same_ports_again_cost_less_than_the_first_time(world: World) -> None:
    """A second request for 300 ports holds no socket, writes no element and no record, and runs fewer lines."""
    request, driver = rq.program(*range(8000, 8300)), joined(world).driver
    first = lines_run(lambda: driver.program_external_connectivity(request), *OWN_CODE)
    before, driver = world.snapshot(), world.healed()
    again = lines_run(lambda: driver.program_external_connectivity(request), *OWN_CODE)

    assert (world.steps.count, world.snapshot()) == (0, before)
    assert 300 < again < 1.2 * first
