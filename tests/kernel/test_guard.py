"""The guard: frames by which a container would pass for another one, for a router or for a DHCP server."""

import struct
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from plugin.firewall.elements import link_local
from tests.kernel.container import Container
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

SCRIPT = str(Path(__file__).with_name("frames.py"))
MAC, VICTIM = "02:42:0a:09:00:03", "10.9.0.2"
OWN4, OWN6, ROUTER6 = "10.9.0.3", "fd00:9::3", str(link_local(MAC))
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD  # linux/if_ether.h
ICMPV6, UDP = 58, 17
ADVERTISEMENT, REDIRECT, ROUTER = 136, 137, 134  # RFC 4861


def ethernet(kind: int, payload: bytes, source: str = MAC) -> bytes:
    """Return a broadcast frame."""
    return b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + struct.pack("!H", kind) + payload


def arp(address: str) -> bytes:
    """Return an ARP reply that says: ``address`` is at MAC."""
    mine = bytes.fromhex(MAC.replace(":", "")) + ip_address(address).packed
    return ethernet(ARP, struct.pack("!HHBBH", 1, IPV4, 6, 4, 2) + mine * 2)


def ipv4(address: str, source_port: int, port: int) -> bytes:
    """Return a datagram to everybody."""
    udp = struct.pack("!HHHH", source_port, port, 8, 0)
    ends = ip_address(address).packed + b"\xff" * 4
    head = struct.pack("!BBHHHBB", 0x45, 0, 28, 0, 0, 64, UDP)
    total = sum(struct.unpack("!9H", head + ends))
    checksum = ~(total + (total >> 16)) & 0xFFFF  # of the header, RFC 1071; the bridge drops what has a wrong one
    return ethernet(IPV4, head + struct.pack("!H", checksum) + ends + udp)


def ipv6(address: str, protocol: int, payload: bytes) -> bytes:
    """Return a packet to all nodes."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255)
    return ethernet(IPV6, head + ip_address(address).packed + ip_address("ff02::1").packed + payload)


def discovery(address: str, kind: int, target: str = "::") -> bytes:
    """Return a message of neighbour discovery."""
    return ipv6(address, ICMPV6, struct.pack("!BBHI", kind, 0, 0, 0) + ip_address(target).packed)


STOLEN = {
    "ARP for a neighbour": arp(VICTIM),
    "ARP for nobody's address": arp("10.9.0.77"),
    "an IPv4 packet of a neighbour": ipv4(VICTIM, 7, 7),
    "an IPv6 packet of a neighbour": ipv6("fd00:9::2", UDP, struct.pack("!HHHH", 7, 7, 8, 0)),
    "neighbour advertisement for a neighbour": discovery(OWN6, ADVERTISEMENT, "fd00:9::2"),
    "router advertisement": discovery(ROUTER6, ROUTER),
    "redirect": discovery(ROUTER6, REDIRECT, "fd00:9::2"),
    "DHCP reply": ipv4(OWN4, 67, 68),
    "DHCPv6 reply": ipv6(OWN6, UDP, struct.pack("!HHHH", 547, 546, 8, 0)),
    "a frame with another MAC": ethernet(ARP, arp(OWN4)[14:], "02:00:00:00:00:99"),
}
OWN = {
    "ARP for itself": arp(OWN4),
    "an IPv4 packet": ipv4(OWN4, 7, 7),
    "an IPv6 packet": ipv6(OWN6, UDP, struct.pack("!HHHH", 7, 7, 8, 0)),
    "neighbour advertisement for itself": discovery(OWN6, ADVERTISEMENT, OWN6),
}


def passes(frame: bytes, sender: Container, neighbour: Container, heard: bytes = b"") -> bool:
    """Say whether ``neighbour`` hears a frame of ``sender``, in the form ``heard`` if it arrives in another one."""
    enter = ("nsenter", "-n", "-t", str(neighbour.pid), "--")
    hearing = subprocess.Popen(
        [*enter, sys.executable, SCRIPT, "hear", "eth0", (heard or frame).hex()], stdout=subprocess.PIPE
    )
    assert hearing.stdout is not None
    hearing.stdout.readline()
    sender.sh(f"{sys.executable} {SCRIPT} send eth0 {frame.hex()}")
    output, _ = hearing.communicate(timeout=20)
    return b"heard" in output


def attach(pynet: Pynet, two: tuple[Container, Container], guard: str) -> None:
    """Attach two containers to a network of both families."""
    options = {"pynet.guard": guard}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)


@pytest.mark.parametrize("what", STOLEN)
@pytest.mark.parametrize(("guard", "expected"), [("on", False), ("off", True)])
def test_a_frame_that_is_not_its_own_reaches_nobody(
    pynet: Pynet, two: tuple[Container, Container], what: str, guard: str, expected: bool
) -> None:
    """Its neighbour does not hear it, and does when the guard is off."""
    attach(pynet, two, guard)

    assert passes(STOLEN[what], two[1], two[0]) is expected


@pytest.mark.parametrize("what", OWN)
def test_a_frame_of_its_own_passes(pynet: Pynet, two: tuple[Container, Container], what: str) -> None:
    """The guard drops nothing that the container may send."""
    attach(pynet, two, "on")

    assert passes(OWN[what], two[1], two[0])


@pytest.mark.parametrize(("guard", "expected"), [("on", False), ("off", True)])
@pytest.mark.parametrize("tag", [0x8100, 0x88A8])
def test_a_tagged_frame_reaches_nobody(
    pynet: Pynet, two: tuple[Container, Container], tag: int, guard: str, expected: bool
) -> None:
    """A frame within a frame belongs to another network, whoever sent it; the kernel takes the tag off."""
    attach(pynet, two, guard)
    own = ipv4(OWN4, 7, 7)
    tagged = ethernet(tag, struct.pack("!HH", 5, IPV4) + own[14:])

    assert passes(tagged, two[1], two[0], heard=own) is expected
