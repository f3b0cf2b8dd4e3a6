"""The host's end of a pair: a port of a bridge without an IP stack, and without an entrance that no rule sees."""

import time
from dataclasses import replace

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.kernel.wire.ends import packed
from tests.kernel.wire.play import GROUPS
from tests.kernel.wire.single import between, frames, send
from tests.unit import requests as rq

PORT, MAC, VICTIM_MAC = "pnh030303030303", "02:42:0a:09:00:03", "02:42:0a:09:00:02"
STACK = "ip -6 address; ip -6 route; ip neighbour"


def attach(pynet: Pynet, two: tuple[Container, Container], guard: str) -> None:
    """Attach two containers to a network of both families."""
    options = {"pynet.guard": guard}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)


def test_a_port_has_no_address(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A port has no address, whatever the host's defaults for new links are."""
    sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_ra=2")
    attach(pynet, two, "on")

    assert sh(f"ip -6 address show dev {PORT}") == ""
    assert sh(f"sysctl -n net.ipv6.conf.{PORT}.disable_ipv6 net.ipv6.conf.{PORT}.accept_ra").split() == ["1", "0"]


@pytest.mark.parametrize("guard", ["on", "off"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_router_is_not_heard_past_the_rules(
    pynet: Pynet, two: tuple[Container, Container], group: str, guard: str
) -> None:
    """A router advertisement to 01:80:c2:00:00:0e does not reach the host past the rules."""
    attach(pynet, two, guard)
    sh("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.all.accept_ra=1")
    sh(f"sysctl -qw net.ipv6.conf.{PORT}.disable_ipv6=0 net.ipv6.conf.{PORT}.accept_ra=1")  # a second defence
    before = sh(STACK)
    send(two[1], frames("router advertisement", replace(between(3, 2), to=GROUPS[group])))
    time.sleep(0.05)

    assert sh(STACK) == before


@pytest.mark.parametrize("guard", ["on", "off"])
def test_a_group_frame_moves_no_mac(pynet: Pynet, two: tuple[Container, Container], guard: str) -> None:
    """A frame to a bridge group address does not move a neighbour's MAC in the bridge's table."""
    attach(pynet, two, guard)
    two[0].reaches("10.9.0.1")  # where nothing is told the bridge learns from this
    stolen = packed(VICTIM_MAC) + b"\x88\xcc" + bytes(50)
    send(two[1], [group.mac + stolen for group in GROUPS.values()])

    assert f"{VICTIM_MAC} dev pnh020202020202 " in sh("bridge fdb show")
    assert f"{VICTIM_MAC} dev {PORT} " not in sh("bridge fdb show")


def test_a_guarded_port_is_told_its_mac(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A guarded port has one static MAC entry, which no frame and no time changes."""
    attach(pynet, two, "on")

    assert f"{MAC} dev {PORT} master pn-{rq.NETWORK_ID[:12]} static" in sh("bridge fdb show")
    assert "learning off" in sh(f"bridge -d link show dev {PORT}")
