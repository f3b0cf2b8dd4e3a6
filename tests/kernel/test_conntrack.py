"""Tracked flows are forgotten on a real kernel."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from netlink.conntrack import Conntrack
from tests.kernel.container import sh

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]


TRACKING = "add table inet t; add chain inet t c { type nat hook output priority 0; }; add rule inet t c ct state new"


@pytest.fixture
def flow(host: None) -> Iterator[None]:
    """Let the kernel track, and let it see a datagram to port 5353 and a TCP connection to port 8080."""
    del host
    sh(f"nft '{TRACKING}'")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.create_server(("127.0.0.1", 8080)),
        socket.create_connection(("127.0.0.1", 8080)),
    ):
        sender.sendto(b"x", ("127.0.0.1", 5353))
        yield


@pytest.mark.usefixtures("flow")
def test_flows_to_a_port_are_forgotten_once() -> None:
    """The kernel lists flows of UDP alone, so a TCP connection to a port of that number is left alone."""
    assert Conntrack().forget_udp({5353, 8080}, ()) == 1
    assert Conntrack().forget_udp({5353, 8080}, ()) == 0


@pytest.mark.usefixtures("flow")
def test_flows_from_a_container_are_forgotten() -> None:
    """Those that are answered by its address, whatever the port."""
    assert Conntrack().forget_udp((), {ip_address("127.0.0.1")}) == 1


@pytest.mark.usefixtures("flow")
def test_other_flows_are_kept() -> None:
    """Another port and another address."""
    assert Conntrack().forget_udp({5354}, {ip_address("192.0.2.1")}) == 0
