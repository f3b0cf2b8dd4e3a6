"""The host's end of a pair: a port of a bridge without an IP stack, and without an entrance that no rule sees."""

import struct
import sys
import time
from ipaddress import ip_address

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.kernel.test_guard import ICMPV6, MAC, ROUTER, ROUTER6, SCRIPT, attach, ipv6
from tests.unit import requests as rq

PORT, VICTIM_MAC = "pnh030303030303", "02:42:0a:09:00:02"
STACK = "ip -6 address; ip -6 route; ip neighbour"


def advertisement() -> bytes:
    """Return a router advertisement that a host believes: it lasts 1800 s, and its checksum is right (RFC 4443)."""
    body = struct.pack("!BBHBBHII", ROUTER, 0, 0, 64, 0, 1800, 0, 0)
    ends = ip_address(ROUTER6).packed + ip_address("ff02::1").packed
    total = sum(struct.unpack("!28H", ends + struct.pack("!II", len(body), ICMPV6) + body))
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return ipv6(ROUTER6, ICMPV6, body[:2] + struct.pack("!H", checksum) + body[4:])


def to_group(last: int, frame: bytes) -> str:
    """Return a frame as hex, addressed to 01:80:c2:00:00:LAST."""
    return (bytes.fromhex("0180c20000") + bytes([last]) + frame[6:]).hex()


def send(container: Container, frame: str) -> None:
    """Send a frame from a container."""
    container.sh(f"{sys.executable} {SCRIPT} send eth0 {frame}")


def test_a_port_has_no_address(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Whatever the host's defaults for new links are."""
    sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_ra=2")
    attach(pynet, two, "on")

    assert sh(f"ip -6 address show dev {PORT}") == ""
    assert sh(f"sysctl -n net.ipv6.conf.{PORT}.disable_ipv6 net.ipv6.conf.{PORT}.accept_ra").split() == ["1", "0"]


@pytest.mark.parametrize("guard", ["on", "off"])
@pytest.mark.parametrize("last", range(16))
def test_a_router_is_not_heard_past_the_rules(
    pynet: Pynet, two: tuple[Container, Container], last: int, guard: str
) -> None:
    """A host that does not forward IPv6 took its default route from an advertisement to 01:80:c2:00:00:0e."""
    attach(pynet, two, guard)
    sh("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.all.accept_ra=1")
    sh(f"sysctl -qw net.ipv6.conf.{PORT}.disable_ipv6=0 net.ipv6.conf.{PORT}.accept_ra=1")  # a second defence
    before = sh(STACK)
    send(two[1], to_group(last, advertisement()))
    time.sleep(0.05)

    assert sh(STACK) == before


@pytest.mark.parametrize("guard", ["on", "off"])
def test_a_group_frame_moves_no_mac(pynet: Pynet, two: tuple[Container, Container], guard: str) -> None:
    """The bridge learned a neighbour's MAC from a frame that it handed to the port, and unicast went astray."""
    attach(pynet, two, guard)
    two[0].reaches("10.9.0.1")  # where nothing is told the bridge learns from this
    stolen = bytes(6) + bytes.fromhex(VICTIM_MAC.replace(":", "")) + b"\x88\xcc" + bytes(50)
    for last in range(16):
        send(two[1], to_group(last, stolen))

    assert f"{VICTIM_MAC} dev pnh020202020202 " in sh("bridge fdb show")
    assert f"{VICTIM_MAC} dev {PORT} " not in sh("bridge fdb show")


def test_a_guarded_port_is_told_its_mac(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """One static entry an endpoint, which no frame changes and no time takes away."""
    attach(pynet, two, "on")

    assert f"{MAC} dev {PORT} master pn-{rq.NETWORK_ID[:12]} static" in sh("bridge fdb show")
    assert "learning off" in sh(f"bridge -d link show dev {PORT}")
