"""Addresses of containers, read without entering their namespaces."""

from ipaddress import IPv6Interface, ip_interface

from netlink.far_addresses import far_addresses
from tests.kernel.container import Container, sh
from tests.kernel.dhcp import identity
from tests.kernel.lan_site import UPLINK, LanSite, until

ONE, TWO = identity(1).mac, identity(2).mac
PLAIN = "sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip link set eth0 up"


def test_an_address_that_a_container_made_itself(lan: LanSite, containers: list[Container]) -> None:
    """An address that follows from a router's advertisement is seen beside the given one, on a link by macvlan."""
    lan.advertise()
    containers.append(Container())
    sh(f"ip link add mv1 link {UPLINK} address {ONE} type macvlan; ip link set mv1 netns {containers[0].pid} name eth0")
    containers[0].sh(f"{PLAIN}; ip addr add 192.168.50.21/24 dev eth0")
    made = IPv6Interface("fd00:50::42:ff:fe00:1/64")
    until(lambda: far_addresses({ONE}) == [(ONE, (ip_interface("192.168.50.21/24"), made))])


def test_each_link_has_its_own_addresses(containers: list[Container]) -> None:
    """Only the asked links are told, each with its addresses, and none after the container has ended."""
    for number in (1, 2, 3):
        containers.append(Container())
        mac = identity(number).mac
        sh(f"ip link add pnh{number} type veth peer name eth0 address {mac} netns {containers[-1].pid}")
        containers[-1].sh(f"{PLAIN}; ip addr add 10.0.0.{number}/24 dev eth0")
    found = {(ONE, (ip_interface("10.0.0.1/24"),)), (TWO, (ip_interface("10.0.0.2/24"),))}
    assert set(far_addresses({ONE, TWO, "02:00:00:00:00:77"})) == found
    containers[0].end()
    until(lambda: far_addresses({ONE}) == [])
