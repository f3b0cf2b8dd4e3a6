"""Which families of host addresses a network of a container publishes on, when another one has the other family."""

from dataclasses import replace

import pytest

from plugin.protocol.messages import (
    CreateEndpoint,
    EndpointOptions,
    EndpointRef,
    Join,
    NetworkRef,
    ProgramExternalConnectivity,
)
from tests.fakes import World
from tests.unit import requests as rq

OTHER_ENDPOINT = "f1" * 32
ELSEWHERE = True


def program(endpoint: EndpointRef, *, elsewhere: bool = False) -> ProgramExternalConnectivity:
    """Publish port 8080, all of it or because another network of the container has the other family."""
    request = rq.program(8080)
    options = replace(request.options, no_proxy_6to4=elsewhere)
    return ProgramExternalConnectivity(endpoint.network_id, endpoint.endpoint_id, options)


def container(world: World, *endpoints: CreateEndpoint) -> list[EndpointRef]:
    """Put endpoints into one sandbox."""
    for request in endpoints:
        world.driver.create_endpoint(request)
        world.driver.join(Join(request.network_id, request.endpoint_id, "/run/docker/netns/one", EndpointOptions()))
    return [EndpointRef(request.network_id, request.endpoint_id) for request in endpoints]


def hosts(world: World) -> set[str]:
    """The host addresses on which something is held."""
    return {host for _, host, _ in world.sockets.taken}


@pytest.fixture
def two_networks(world: World) -> World:
    """A world with a network of both families, and another of both."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", "fd00:8::1/64"))
    return world


def test_a_network_without_ipv4_publishes_ipv6(two_networks: World) -> None:
    """A network without IPv4 publishes on IPv6, as 28.5 tells both gateways that the other family is elsewhere."""
    four = rq.endpoint()
    six = replace(rq.endpoint(None, "fd00:8::2/64"), network_id=rq.OTHER_ID, endpoint_id=OTHER_ENDPOINT)
    first, second = container(two_networks, four, six)
    two_networks.driver.program_external_connectivity(program(first, elsewhere=ELSEWHERE))
    assert hosts(two_networks) == {"0.0.0.0"}
    two_networks.driver.program_external_connectivity(program(second, elsewhere=ELSEWHERE))
    assert hosts(two_networks) == {"0.0.0.0", "::"}


@pytest.mark.parametrize("first_has_both", [True, False])
def test_of_two_networks_the_first_publishes_ipv4(two_networks: World, first_has_both: bool) -> None:
    """Of a network of both families the neighbour's ports tell which one is its own; the IPv4 gateway comes first."""
    one = rq.endpoint(address_ipv6="fd00:9::2/64" if first_has_both else None)
    two = replace(rq.endpoint("10.8.0.2/24", "fd00:8::2/64"), network_id=rq.OTHER_ID, endpoint_id=OTHER_ENDPOINT)
    for endpoint in container(two_networks, one, two):
        two_networks.driver.program_external_connectivity(program(endpoint, elsewhere=ELSEWHERE))
    assert two_networks.sockets.taken == {(6, "0.0.0.0", 8080), (6, "::", 8080)}


def test_a_container_that_left_is_no_neighbour(two_networks: World) -> None:
    """A container that left is no neighbour, although a later endpoint may have the same sandbox."""
    one = rq.endpoint()
    two = replace(rq.endpoint("10.8.0.2/24", "fd00:8::2/64"), network_id=rq.OTHER_ID, endpoint_id=OTHER_ENDPOINT)
    first, second = container(two_networks, one, two)
    two_networks.driver.program_external_connectivity(program(first))
    two_networks.driver.delete_endpoint(first)
    two_networks.driver.program_external_connectivity(program(second, elsewhere=ELSEWHERE))
    assert hosts(two_networks) == {"0.0.0.0"}


def test_an_endpoint_that_is_removed_is_forgotten(two_networks: World) -> None:
    """Engines do not always call Leave, and what is kept for each container would add up for as long as pynet runs."""
    one = rq.endpoint()
    two = replace(rq.endpoint("10.8.0.2/24"), network_id=rq.OTHER_ID, endpoint_id=OTHER_ENDPOINT)
    first, second = container(two_networks, one, two)
    known = two_networks.removal.sandboxes
    two_networks.driver.delete_endpoint(first)
    assert (len(known._sandboxes), len(known._keys)) == (1, 1)

    two_networks.driver.delete_network(NetworkRef(second.network_id))
    assert (known._sandboxes, known._keys) == ({}, {})
