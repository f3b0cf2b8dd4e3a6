"""Ports that are published and withdrawn while a container runs, beside those of Docker."""

from collections.abc import Callable, Sequence

import pytest

from netlink.errors import KernelError
from plugin.errors import Conflict, InvalidRequest, NotFound, PynetError
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint
from plugin.protocol.change_messages import HostPort, PublishPorts, ResetOptions, UnpublishPorts
from plugin.protocol.messages import PortBinding
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import restarted

TCP, UDP = 6, 17


def publish(world: World, *ports: PortBinding) -> list[int]:
    """Publish ports beside those of the endpoint, and return the host ports that came."""
    done = world.live.publish_ports(PublishPorts(rq.NETWORK_ID, rq.ENDPOINT_ID, ports))
    return sorted({port.host_port for port in done.published})


def unpublish(world: World, *ports: int) -> None:
    """Withdraw TCP ports of the host."""
    places = [HostPort(TCP, port) for port in ports]
    world.live.unpublish_ports(UnpublishPorts(rq.NETWORK_ID, rq.ENDPOINT_ID, places))


def binding(port: int, host_port: int = 0, end: int = 0, host: str = "") -> PortBinding:
    """Return a TCP port as a user names it."""
    return PortBinding(TCP, port, host_ip=host, host_port=host_port, host_port_end=end or host_port)


def shown(world: World) -> list[int]:
    """Return the host ports in the record, which are those that are held and lead to the container."""
    found = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert found is not None
    ports = sorted({port.host_port for port in found.record.published})
    assert {port for _, _, port in world.sockets.taken} == set(ports)
    assert world.dry_run.look() == []
    return ports


@pytest.fixture
def web(world: World) -> World:
    """Return a world with a container whose port 80 Docker publishes as 8080."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.join(rq.join())
    world.driver.program_external_connectivity(rq.program(8080))
    return world


def test_added_ports_stay_when_the_engine_publishes_again(web: World) -> None:
    """A repeat of Program, also without ports, after Revoke and after a restart of pynet, keeps what was added."""
    assert publish(web, binding(81, 8081), binding(82)) == [8081, 32768]
    web.driver.program_external_connectivity(rq.program(8080))
    assert shown(web) == [8080, 8081, 32768]
    web.driver.revoke_external_connectivity(rq.ENDPOINT)
    assert shown(web) == []

    again = restarted(web)
    again.driver.program_external_connectivity(rq.program())
    assert shown(again) == [8081, 32768]


def test_withdrawn_ports_stay_withdrawn(web: World) -> None:
    """A repeat of Program publishes the ports of the request without those that were withdrawn."""
    web.driver.program_external_connectivity(rq.program(8080, 8090))
    unpublish(web, 8080)
    web.driver.program_external_connectivity(rq.program(8080, 8090))

    assert shown(web) == [8090]


def test_a_port_that_was_added_and_withdrawn_leaves_nothing(web: World) -> None:
    """Then record, rules and sockets are as before; with the endpoint all of it goes."""
    before = web.snapshot()
    publish(web, binding(81, 8081))
    unpublish(web, 8081)
    assert web.snapshot() == before

    publish(web, binding(81, 8081))
    web.driver.leave(rq.ENDPOINT)
    web.driver.delete_endpoint(rq.ENDPOINT)
    assert (web.sockets.taken, web.publisher.publishes(rq.ENDPOINT_ID)) == (set(), False)


def test_reset_publishes_the_ports_of_docker_again(web: World) -> None:
    """Added ports go, and withdrawn ones return; the options of the container stay."""
    before = web.snapshot()
    publish(web, binding(81, 8081))
    unpublish(web, 8080)
    assert shown(web) == [8081]
    web.live.reset_options(ResetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID, ["ports"]))

    assert shown(web) == [8080]
    assert web.snapshot() == before


def test_a_range_takes_the_first_free_port(web: World) -> None:
    """Ports of the container itself are not free, and neither is one of another container."""
    assert publish(web, binding(80, 8080, 8082), binding(80, 8080, 8082)) == [8081, 8082]
    with pytest.raises(Conflict, match="publish a port of 8080-8082: all ports are allocated"):
        publish(web, binding(80, 8080, 8082))


REFUSED: dict[str, tuple[type[PynetError], str, Sequence[PortBinding]]] = {
    "own": (Conflict, "publish port 8080/tcp on .*already allocated, to ", [binding(81, 8080)]),
    "second": (Conflict, "8080/tcp on ", [binding(81, 9000), binding(81, 8080)]),
    "protocol": (InvalidRequest, "protocol 1 is none of tcp, udp and sctp", [PortBinding(1, 80, host_port=9000)]),
    "address": (
        InvalidRequest,
        "'224.0.0.1' is no address that a host can have",
        [binding(80, 9000, host="224.0.0.1")],
    ),
}


@pytest.mark.parametrize(("kind", "why", "ports"), REFUSED.values(), ids=REFUSED)
def test_a_refused_port_changes_nothing(
    kind: type[PynetError], why: str, ports: Sequence[PortBinding], web: World
) -> None:
    """The user gets a sentence, and none of the other ports of the request is published."""
    before = web.snapshot()

    with pytest.raises(kind, match=why):
        publish(web, *ports)
    with pytest.raises(NotFound, match=r"no public port 9999/tcp published for endpoint 'e0e0"):
        unpublish(web, 8080, 9999)
    assert web.snapshot() == before


def test_networks_that_publish_nothing_say_why(world: World) -> None:
    """On an internal network, and on one whose ports the engine publishes."""
    for number, (options, internal) in enumerate((({}, True), ({"pynet.publish": "engine"}, False))):
        world.driver.create_network(rq.network(options=options, internal=internal))
        world.driver.create_endpoint(rq.endpoint())
        why = ("is internal or leads nowhere", "because of pynet.publish=engine")[number]
        with pytest.raises(InvalidRequest, match=why):
            publish(world, binding(80, 8080))
        world.driver.delete_network(rq.NETWORK)
        world.bury()


@pytest.mark.parametrize("verb", ["publish", "unpublish", "reset"])
def test_whatever_step_fails_the_ports_are_as_before(verb: str, web: World) -> None:
    """Record, rules and sockets are as before, and the same call then succeeds."""
    publish(web, binding(82, 8082))
    calls: dict[str, Callable[[], object]] = {
        "publish": lambda: publish(web, binding(81, 8081), binding(83, 8083)),
        "unpublish": lambda: unpublish(web, 8080, 8082),
        "reset": lambda: web.live.reset_options(ResetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID)),
    }
    before, step = web.snapshot(), 0
    for step in range(1, 40):
        web.failing_at(step)
        try:
            calls[verb]()
            break
        except (KernelError, PynetError):
            web.healed()
            web.bury()
            assert web.snapshot() == before, step

    assert step > 2
    assert web.kernel.link_exists(host_link_name(rq.ENDPOINT_ID))
    web.healed()
    assert web.snapshot() != before
