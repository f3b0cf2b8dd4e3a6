"""The table entries of one host that follow from the records."""

from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

import pytest

from netlink.vxlan import EVERYBODY, Forward, Neighbour, Remote
from plugin.cluster.overlay.directory import Lead, wanted_tables
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.records import Member, Peer
from plugin.model.records import Endpoint
from plugin.store.base import Versioned

MAC, OTHER_MAC = "02:42:0a:09:00:02", "02:00:00:00:00:01"
IP, IP6 = IPv4Interface("10.9.0.2/24"), IPv6Interface("fd00:9::2/64")
HOSTS = {f"h{number}": ip_address(f"192.0.2.{number}") for number in (1, 2, 3)}
FLOOD = {name: Remote(EVERYBODY, address) for name, address in HOSTS.items()}


MEMBERS = [Versioned(Member("blue", host, "d4" * 32, address), 1) for host, address in HOSTS.items()]
GATEWAY_MAC, OWN_MAC = "02:00:00:00:00:fe", "02:42:0a:09:00:07"
GROUND = LocalView(
    "h1",
    HOSTS["h1"],
    (ip_network("10.9.0.0/24"), ip_network("fd00:9::/64")),
    GATEWAY_MAC,
    (ip_address("10.9.0.1"), ip_address("fd00:9::1")),
)
OWN = Endpoint("own", "n", OWN_MAC, IPv4Interface("10.9.0.7/24"))


def wanted_entries(peers: Collection[Versioned[Peer]]) -> Collection[Lead]:
    """Return the entries that the first of three hosts writes."""
    return wanted_tables(peers, MEMBERS, [OWN], GROUND).entries


def peer(host: str, revision: int, mac: str = MAC, ipv6: IPv6Interface | None = IP6) -> Versioned[Peer]:
    """Return an endpoint with one address."""
    return Versioned(Peer("blue", f"e{revision}", host, mac, IP, ipv6), revision)


def test_an_endpoint_of_another_host_has_four_entries() -> None:
    """An endpoint of another host has four entries: its MAC in two tables, and both addresses."""
    assert wanted_entries([peer("h2", 1)]) == {
        FLOOD["h2"],
        Remote(MAC, HOSTS["h2"]),
        Forward(MAC),
        Neighbour(IP.ip, MAC),
        Neighbour(IP6.ip, MAC),
    }


def test_this_hosts_own_have_none() -> None:
    """Endpoints of this host have no entries, as the bridge knows its ports."""
    assert wanted_entries([peer("h1", 1)]) == set()


def test_the_later_record_counts() -> None:
    """Of two records of an address the later counts, in any order; the earlier keeps its other address."""
    old, new = peer("h2", 1), peer("h3", 2, mac=OTHER_MAC, ipv6=None)
    for records in ([old, new], [new, old]):
        entries = wanted_entries(records)
        assert {entry for entry in entries if isinstance(entry, Neighbour)} == {
            Neighbour(IP.ip, OTHER_MAC),
            Neighbour(IP6.ip, MAC),
        }


def test_an_address_that_came_to_this_host_leads_nowhere_else() -> None:
    """An address that came to this host has no entry, although its old record is still there."""
    assert wanted_entries([peer("h2", 1), peer("h1", 2)]) == {FLOOD["h2"]}


def test_an_endpoint_without_its_host_waits() -> None:
    """An endpoint waits for the record of its host, as records may arrive in any order."""
    assert wanted_entries([peer("h9", 1)]) == set()


def test_a_hosts_latest_place_counts() -> None:
    """The latest address of a host counts, as after a change of PYNET_ADVERTISE."""
    places = [
        Versioned(Member("blue", "h2", str(number), ip_address(f"192.0.2.{number}")), number) for number in (9, 8)
    ]

    assert wanted_tables([], places, [OWN], GROUND).hosts == {ip_address("192.0.2.9")}


@pytest.mark.parametrize(
    ("mac", "address", "why"),
    [
        (GATEWAY_MAC, "10.9.0.2/24", "MAC 02:00:00:00:00:fe is the gateway's"),
        (GATEWAY_MAC.upper(), "10.9.0.2/24", "MAC 02:00:00:00:00:fe is the gateway's"),
        (OWN_MAC, "10.9.0.2/24", "MAC 02:42:0a:09:00:07 is that of an endpoint of this host"),
        ("ff:ff:ff:ff:ff:ff", "10.9.0.2/24", "MAC ff:ff:ff:ff:ff:ff cannot be an endpoint's"),
        ("01:00:5e:00:00:01", "10.9.0.2/24", "MAC 01:00:5e:00:00:01 cannot be an endpoint's"),
        ("00:00:00:00:00:00", "10.9.0.2/24", "MAC 00:00:00:00:00:00 cannot be an endpoint's"),
        (MAC, "10.9.0.1/24", "address 10.9.0.1 is the gateway's"),
        (MAC, "10.9.0.7/24", "address 10.9.0.7 is that of an endpoint of this host"),
        (MAC, "10.9.0.0/24", "address 10.9.0.0 cannot be an endpoint's"),
        (MAC, "10.9.0.255/24", "address 10.9.0.255 cannot be an endpoint's"),
        (MAC, "192.168.120.2/24", "address 192.168.120.2 is in no subnet of the network"),
        (MAC, "fd00:8::2/64", "address fd00:8::2 is in no subnet of the network"),
        (MAC, "127.0.0.1/8", "address 127.0.0.1 cannot be an endpoint's"),
        (MAC, "224.0.0.1/24", "address 224.0.0.1 cannot be an endpoint's"),
        (MAC, "ff02::1/64", "address ff02::1 cannot be an endpoint's"),
    ],
)
def test_an_endpoint_that_would_lead_astray_is_refused_alone(mac: str, address: str, why: str) -> None:
    """A misleading endpoint is refused as a whole, and the next one is written."""
    own = ip_interface(address)
    ipv4, ipv6 = (own, None) if isinstance(own, IPv4Interface) else (None, own)
    bad = Peer("blue", "e5", "h2", mac, ipv4, ipv6)
    good = Versioned(Peer("blue", "e1", "h2", OTHER_MAC, IPv4Interface("10.9.0.3/24")), 1)
    found = wanted_tables([Versioned(bad, 5), good], MEMBERS, [OWN], GROUND)

    assert found.refused == {"cluster-peer 'blue/e5'": why}
    assert found.entries == wanted_entries([good])


def test_an_address_of_a_family_that_the_network_lacks_is_refused() -> None:
    """An address of a family that the network lacks is refused, as the host has no subnet for it."""
    ground = replace(GROUND, subnets=(ip_network("10.9.0.0/24"),))

    assert list(wanted_tables([peer("h2", 1)], MEMBERS, [OWN], ground).refused.values()) == [
        "address fd00:9::2 is in no subnet of the network"
    ]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "0.0.0.0", "239.1.1.1", "255.255.255.255", "192.0.2.1", "2001:db8::2"],
)
def test_a_host_that_cannot_be_there_is_refused_alone(address: str) -> None:
    """A host with an impossible address is refused: no frames from it or to it; its earlier address stays."""
    bad = Versioned(Member("blue", "h2", "e5" * 32, ip_address(address)), 9)
    found = wanted_tables([peer("h3", 1)], [*MEMBERS, bad], [OWN], GROUND)

    assert found.entries == wanted_entries([peer("h3", 1)])
    assert found.hosts == {HOSTS["h2"], HOSTS["h3"]}
    assert list(found.refused) == [f"cluster-member 'blue/h2/{'e5' * 32}'"]
