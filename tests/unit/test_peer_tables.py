"""What records mean for the tables of one host."""

from ipaddress import IPv4Interface, IPv6Interface, ip_address

from netlink.vxlan import EVERYBODY, Forward, Neighbour, Remote
from plugin.cluster.records import Member, Peer
from plugin.cluster.tables import host_addresses, wanted_entries
from plugin.store.base import Versioned

MAC, OTHER_MAC = "02:42:0a:09:00:02", "02:00:00:00:00:01"
IP, IP6 = IPv4Interface("10.9.0.2/24"), IPv6Interface("fd00:9::2/64")
HOSTS = {f"h{number}": ip_address(f"192.0.2.{number}") for number in (1, 2, 3)}
FLOOD = {Remote(EVERYBODY, HOSTS["h2"]), Remote(EVERYBODY, HOSTS["h3"])}


def peer(host: str, revision: int, mac: str = MAC, ipv6: IPv6Interface | None = IP6) -> Versioned[Peer]:
    """Return an endpoint with one address."""
    return Versioned(Peer("blue", f"e{revision}", host, mac, IP, ipv6), revision)


def test_an_endpoint_of_another_host_has_four_entries() -> None:
    """Its MAC in two tables, and both addresses."""
    assert wanted_entries([peer("h2", 1)], HOSTS, "h1") == FLOOD | {
        Remote(MAC, HOSTS["h2"]),
        Forward(MAC),
        Neighbour(IP.ip, MAC),
        Neighbour(IP6.ip, MAC),
    }


def test_this_hosts_own_have_none() -> None:
    """The bridge knows its ports."""
    assert wanted_entries([peer("h1", 1)], HOSTS, "h1") == FLOOD


def test_the_later_record_counts() -> None:
    """In whatever order they are listed; the earlier one keeps what the later one does not have."""
    old, new = peer("h2", 1), peer("h3", 2, mac=OTHER_MAC, ipv6=None)
    for records in ([old, new], [new, old]):
        entries = wanted_entries(records, HOSTS, "h1")
        assert {entry for entry in entries if isinstance(entry, Neighbour)} == {
            Neighbour(IP.ip, OTHER_MAC),
            Neighbour(IP6.ip, MAC),
        }


def test_an_address_that_came_to_this_host_leads_nowhere_else() -> None:
    """Although the record of where it was is still there."""
    assert wanted_entries([peer("h2", 1), peer("h1", 2)], HOSTS, "h1") == FLOOD


def test_an_endpoint_without_its_host_waits() -> None:
    """Records may arrive in any order; there is nowhere to send to yet."""
    assert wanted_entries([peer("h9", 1)], HOSTS, "h1") == FLOOD


def test_a_hosts_latest_place_counts() -> None:
    """After another PYNET_ADVERTISE."""
    places = [
        Versioned(Member("blue", "h2", str(number), ip_address(f"192.0.2.{number}")), number) for number in (9, 8)
    ]

    assert host_addresses(places) == {"h2": ip_address("192.0.2.9")}
