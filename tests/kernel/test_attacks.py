"""Attacks of a container on its host and its neighbours that were once possible, each with its outcome."""

from dataclasses import replace

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.hosts import soon
from tests.kernel.pynet import Pynet
from tests.kernel.wire.ends import Station, packed
from tests.kernel.wire.learned import settled
from tests.kernel.wire.play import GROUPS
from tests.kernel.wire.single import between, frames, send
from tests.kernel.wire.stages import netfilter
from tests.unit import requests as rq

VICTIM_MAC, GATEWAYS = "02:42:0a:09:00:02", ("10.9.0.1/24", "fd00:9::1/64")
NEAREST_BRIDGE = GROUPS["01:80:c2:00:00:0e"]  # LLDP's; a bridge gives such a frame to the port that it came in by


def attach(pynet: Pynet, two: tuple[Container, Container], *gateways: str, **options: str) -> None:
    """Attach a victim, .2, and an attacker, .3, to a network."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *gateways, options=options))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)


def test_the_default_route_of_the_host_is_not_taken_over(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A router advertisement to the address of LLDP does not enter by the port and take over the default route."""
    sh("sysctl -qw net.ipv6.conf.all.accept_ra=1 net.ipv6.conf.default.accept_ra=1")
    attach(pynet, two, "10.9.0.1/24")
    assert soon(lambda: settled(sh))
    send(two[1], frames("router advertisement", replace(between(3, 2), to=NEAREST_BRIDGE)))
    assert pynet.kernel.link_exists("pnh030303030303")

    assert "default" not in sh("ip -6 route")
    assert "2001:db8:b:" not in sh("ip -6 address")


@pytest.mark.parametrize("icc", ["true", "false"])
def test_packets_of_a_neighbour_are_not_drawn_away(pynet: Pynet, two: tuple[Container, Container], icc: str) -> None:
    """A frame to a bridge group address with a neighbour's MAC does not redirect that neighbour's packets."""
    attach(pynet, two, *GATEWAYS, **{"com.docker.network.bridge.enable_icc": icc})
    sh("ping -c 1 -W 1 10.9.0.2")
    theft = NEAREST_BRIDGE.mac + packed(VICTIM_MAC) + b"\x88\xcc" + bytes(50)
    send(two[1], [theft] * 50)

    places = [line.split()[2] for line in sh("bridge fdb show").splitlines() if line.startswith(VICTIM_MAC)]
    assert set(places) == {"pnh020202020202"}
    sh("ping -c 1 -W 1 10.9.0.2")


@pytest.mark.parametrize("whom", ["the gateway", "a neighbour"])
@pytest.mark.parametrize("bridged", [True, False])
def test_nobody_is_impersonated_by_an_advertisement_in_two_fragments(
    pynet: Pynet, two: tuple[Container, Container], whom: str, *, bridged: bool
) -> None:
    """A fragmented advertisement is dropped, although br_netfilter would hide the fragments from the victim."""
    netfilter(sh, on=bridged)
    attach(pynet, two, *GATEWAYS)
    ends = between(3, 2)
    two[0].sh("ip neigh replace fd00:9::1 lladdr 02:00:00:00:00:01 dev eth0 nud stale")
    two[0].sh("ip neigh replace fd00:9::4 lladdr 02:00:00:00:00:04 dev eth0 nud stale")
    for number in range(3):
        send(two[1], frames(f"neighbour advertisement for {whom} in two fragments", replace(ends, number=number)))

    known = two[0].sh("ip neigh show")
    assert "fd00:9::1 dev eth0 lladdr 02:00:00:00:00:01" in known
    assert "fd00:9::4 dev eth0 lladdr 02:00:00:00:00:04" in known


def test_an_address_is_not_denied_to_a_neighbour(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A probe for an address that a neighbour is about to take does not make it give the address up (RFC 4862)."""
    attach(pynet, two, *GATEWAYS)
    assert soon(lambda: settled(two[0].sh))
    ends = between(3, 2)
    group = Station(packed("33:33:ff:09:00:02"), b"", packed("ff02::1:ff09:2"), b"")  # where it looks itself
    denial = frames("look for duplicates of a link-local neighbour", replace(ends, other=ends.to, to=group))
    two[0].sh("ip link set eth0 down; ip link set eth0 up")
    while not settled(two[0].sh):
        send(two[1], denial * 50)

    assert "dadfailed" not in two[0].sh("ip -6 address")
