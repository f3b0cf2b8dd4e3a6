"""``pynet path`` and ``pynet capture`` of containers whose links are upon a link of the host."""

from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from cli.commands.capture import CaptureSubject, compiled, of_mac, program_of, subject
from cli.commands.name_book import NameBook
from cli.engine.inventory import Inventory, ListedContainer
from plugin.model.parent import Parent
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.path.model import Surroundings
from plugin.path.walk import path
from plugin.protocol.path_messages import Fate, question

PARENT = Parent(2, "52:54:00:00:00:01", "a boot", 1500)
LAN_SUBNET = NetworkSubnet(ip_network("192.0.2.0/24"), ip_interface("192.0.2.254/24"))
OPTIONS = {"pynet.mode": "macvlan", "parent": "eth0"}
LAN = Network("a" * 64, "macvlan", "eth0", subnets=(LAN_SUBNET,), options=OPTIONS, host_gateway=False, parent=PARENT)
BLUE = Network(
    "b" * 64, "bridge", "pn-b", subnets=(NetworkSubnet(ip_network("10.9.0.0/24"), ip_interface("10.9.0.1/24")),)
)
WEB, TWO, BOX = (
    Endpoint(digit * 64, network.id, f"02:00:00:00:00:0{digit}", ip_interface(address), parent=network.parent)  # type: ignore[arg-type]
    for digit, network, address in (("1", LAN, "192.0.2.5/24"), ("2", LAN, "192.0.2.6/24"), ("3", BLUE, "10.9.0.5/24"))
)
HOST = (("eth0", ip_interface("192.0.2.1/24")), ("pn-b", ip_interface("10.9.0.1/24")))
FACTS = Surroundings({LAN.id: LAN, BLUE.id: BLUE}, [WEB, TWO, BOX], HOST)
WEB_END, TWO_END, BOX_END = (f"endpoints:{end.id}" for end in (WEB, TWO, BOX))
PATHS = [
    (WEB_END, TWO_END, Fate.PASSES, "the LAN delivers it to endpoint '2222"),
    (WEB_END, "192.0.2.9", Fate.PASSES, "the LAN delivers it to 192.0.2.9"),
    (WEB_END, "198.51.100.7", Fate.UNCLEAR, "it goes to 192.0.2.254, a router of the LAN"),
    ("outside", WEB_END, Fate.PASSES, "the LAN delivers it to endpoint '1111"),
    (WEB_END, "host", Fate.DROPPED, "upon its link 'eth0' do not reach each other by that link"),
    ("host", WEB_END, Fate.DROPPED, "upon its link 'eth0' do not reach each other by that link"),
    (BOX_END, WEB_END, Fate.DROPPED, "upon its link 'eth0' do not reach each other by that link"),
]


def deciding(source: str, target: str, facts: Surroundings) -> tuple[Fate, str]:
    """Return the fate of a packet, and the text of the step that decides it."""
    steps = path(question(source, target, "tcp/80"), facts).steps
    worst = next((step for step in steps if step.fate is not Fate.PASSES), steps[-1])
    return worst.fate, worst.text


@pytest.mark.parametrize(("source", "target", "fate", "text"), PATHS)
def test_the_lan_carries_packets_past_all_rules(source: str, target: str, fate: Fate, text: str) -> None:
    """Of a container and the LAN, its router, the host, and a container behind the host."""
    found = deciding(source, target, FACTS)
    assert found[0] is fate
    assert text in found[1]


@pytest.mark.parametrize(("mode", "fate"), [("private", Fate.DROPPED), ("vepa", Fate.UNCLEAR)])
def test_the_mode_decides_between_two_of_one_parent(mode: str, fate: Fate) -> None:
    """Private ones are deaf to each other, and those of vepa need the switch."""
    apart = replace(LAN, options={**OPTIONS, "macvlan_mode": mode})
    assert deciding(WEB_END, TWO_END, replace(FACTS, networks={LAN.id: apart}))[0] is fate


def test_without_a_gateway_it_leads_nowhere() -> None:
    """A network without a router of the LAN, or an internal one, ends at its subnets."""
    for closed in (replace(LAN, internal=True), replace(LAN, subnets=(NetworkSubnet(LAN_SUBNET.pool),))):
        assert deciding(WEB_END, "198.51.100.7", replace(FACTS, networks={LAN.id: closed}))[0] is Fate.DROPPED


def test_packets_are_captured_at_the_parent_by_their_mac() -> None:
    """The filter is what tcpdump makes of the MAC, and the user's filter comes beside it."""
    end = {"ID": WEB.id, "Link": "eth0", "MacAddress": WEB.mac, "IPv4": "192.0.2.5/24", "IPv6": ""}
    networks = [{"ID": LAN.id, "Link": "eth0", "Endpoints": [end]}]
    box = ListedContainer("c0" * 32, "web", runs=True, endpoints={LAN.id: WEB.id})
    found = subject(["web", "icmp"], networks, NameBook(networks, Inventory({}, [box])))

    assert (found.link, found.filter, found.mac) == ("eth0", ("icmp",), WEB.mac)
    assert of_mac(WEB.mac) == compiled(["ether", "host", WEB.mac])
    assert program_of(found) == compiled([f"ether host {WEB.mac} and icmp"])
    shared = CaptureSubject("eth0", (), addresses=("192.0.2.5", "fd00::5"))
    assert program_of(shared) == compiled(["host 192.0.2.5 or host fd00::5"])
