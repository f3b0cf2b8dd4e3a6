"""VXLAN links and their tables on a real kernel."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from netlink.errors import Exists, Missing
from netlink.kernel import Kernel
from netlink.vxlan import EVERYBODY, Entry, Forward, Neighbour, Remote, Vxlan, VxlanLink
from tests.kernel.container import sh

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
ONE, TWO = ip_address("192.0.2.1"), ip_address("192.0.2.2")


@pytest.fixture
def vxlan() -> Iterator[Vxlan]:
    """Return the verbs, with a link in a bridge."""
    kernel, vxlan = Kernel(), Vxlan()
    kernel.add_bridge("br", "02:00:00:00:00:01", 1450)
    vxlan.add_vxlan(VxlanLink("vx", 70, 4789, ONE, "br", 1450))
    yield vxlan
    vxlan.close()
    kernel.close()


def entries(count: int) -> set[Entry]:
    """Return the entries of endpoints on another host."""
    found: set[Entry] = {Remote(EVERYBODY, TWO), Remote(EVERYBODY, ip_address("192.0.2.3"))}
    for number in range(count):
        mac = f"02:42:0a:09:{number >> 8:02x}:{number & 255:02x}"
        found |= {Remote(mac, TWO), Forward(mac)}
        found |= {Neighbour(ip_address("10.9.0.0") + number, mac), Neighbour(ip_address("fd00:9::") + number, mac)}
    return found


@pytest.mark.usefixtures("vxlan")
def test_the_link_learns_and_floods_nothing() -> None:
    """A tunnel learns and floods nothing, and has no IPv6 address."""
    shown = sh("ip -d link show vx; bridge -d link show dev vx; ip addr show vx")
    for words in ("nolearning", "learning off", "flood off", "neigh_suppress on", "mtu 1450", "id 70", "dstport 4789"):
        assert words in shown
    assert "inet6" not in shown


def test_a_thousand_entries_come_and_go(vxlan: Vxlan) -> None:
    """A thousand entries are written and removed in a few datagrams, and the listing has exactly them."""
    wanted = entries(250)
    vxlan.change("br", "vx", wanted)
    assert vxlan.entries("br", "vx") == wanted
    vxlan.change("br", "vx", (), wanted)
    assert vxlan.entries("br", "vx") == set()


def test_an_entry_takes_the_place_of_another(vxlan: Vxlan) -> None:
    """An entry replaces another one of the same key; removing a missing one is passed over."""
    vxlan.change("br", "vx", entries(1))
    mac, address = "02:42:0a:09:00:00", ip_address("10.9.0.0")
    after: set[Entry] = {Remote(mac, ONE), Neighbour(address, "02:00:00:00:00:09")}
    gone: set[Entry] = {Remote(mac, TWO), Neighbour(address, mac), Forward("02:00:00:00:00:77")}
    vxlan.change("br", "vx", after, gone)

    assert vxlan.entries("br", "vx") == (entries(1) - gone) | after


def test_refusals_name_what_was_tried(vxlan: Vxlan) -> None:
    """Refusals name the taken VNI or the missing link."""
    with pytest.raises(Exists, match="add vxlan 'vx2' with VNI 70 to bridge 'br'"):
        vxlan.add_vxlan(VxlanLink("vx2", 70, 4789, ONE, "br", 1450))
    with pytest.raises(Missing, match="there is no link 'vx3'"):
        vxlan.entries("br", "vx3")
    assert "vx2" not in sh("ip -br link")


def test_what_the_kernel_refuses_keeps_nothing_else_out(vxlan: Vxlan) -> None:
    """An entry that the kernel refuses is named, and the others are written."""
    bad: set[Entry] = {Remote("ff:ff:ff:ff:ff:ff", ip_address("2001:db8::2")), Forward(EVERYBODY)}
    refused = vxlan.change("br", "vx", entries(3) | bad)

    assert set(refused) <= bad
    assert refused
    assert vxlan.entries("br", "vx") >= entries(3)
    assert all(str(entry) in str(error) for entry, error in refused.items())
