"""The whole driver on a real kernel, with namespaces in the place of containers."""

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq


def test_neighbours_reach_each_other_and_the_gateway(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Two containers of one network."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert two[0].reaches("10.9.0.3")
    assert two[0].reaches("10.9.0.1")


def test_networks_are_closed_to_each_other(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A container of another network is not reached in either direction, although the host forwards."""
    pynet.driver.create_network(rq.network())
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.OTHER_ID, 3)

    assert not two[0].reaches("10.8.0.3")
    assert not two[1].reaches("10.9.0.2")


@pytest.mark.parametrize(("internal", "reached"), [(False, True), (True, False)])
def test_outside_sees_the_host_and_internal_networks_nothing(
    pynet: Pynet, two: tuple[Container, Container], internal: bool, reached: bool
) -> None:
    """The outside has no route to the container, so an answer proves that the source was the host's address."""
    container, outside = two
    connect(outside)
    pynet.driver.create_network(rq.network(internal=internal))
    pynet.attach(container, rq.NETWORK_ID, 2)
    if internal:
        container.sh("ip route add default via 10.9.0.1")

    assert container.reaches("192.0.2.9") is reached
    outside.sh("ip route add 10.9.0.0/24 via 192.0.2.1")
    assert not outside.reaches("10.9.0.2")


def test_an_iptables_policy_of_drop_does_not_stop_pynet(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """With FORWARD set to DROP, pynet's accepts are behind the user's rules, and are removed with the last network."""
    container, outside = two
    sh("iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -P FORWARD DROP")
    before = sh("iptables -S")
    connect(outside)
    pynet.driver.create_network(rq.network())
    pynet.attach(container, rq.NETWORK_ID, 2)

    assert container.reaches("192.0.2.9")
    sh("iptables -A DOCKER-USER -j DROP")
    assert not container.reaches("192.0.2.9")
    sh("iptables -F DOCKER-USER")
    pynet.end()
    assert sh("iptables -S") == before


def test_the_host_is_as_before(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Links, addresses, routes, rules and settings: a network's life leaves nothing."""
    routes = "ip route show table all; ip -6 route show table all"
    look = f"ip -o addr; {routes}; nft list ruleset; sysctl -n net.ipv4.ip_forward"
    before = sh(look)
    pynet.driver.create_network(rq.network())
    pynet.driver.delete_endpoint(pynet.attach(two[0], rq.NETWORK_ID, 2))
    pynet.end()

    assert sh(look) == before
