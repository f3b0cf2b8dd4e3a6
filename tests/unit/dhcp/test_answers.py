"""Offers that lie, and those that only leave something out."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlink import dhcp4
from netlink.dhcp4 import DhcpMessage
from plugin.dhcp.answers import is_host, lease_of
from plugin.dhcp.model import FOREVER, Lease4, Route
from tests.unit.dhcp.dialogue import ADDRESS, MAC, NOW, SERVER, answer, four, lease, packed


def test_an_honest_offer() -> None:
    """Everything that the server says is in the lease."""
    options = {
        "LASTS": four(3600),
        "T1": four(1000),
        "T2": four(3000),
        "DNS": packed("192.168.1.3") + packed("9.9.9.9"),
        "DOMAIN": b"home.example\0",
        "MTU": b"\5\x78",
        "ROUTES": b"\x08\x0a" + packed("192.168.1.9") + b"\0" + packed(SERVER),
    }
    found = lease_of(answer("ACK", **options), NOW + 0.9)
    assert (found.address, found.taken) == (lease().address, NOW)
    assert (found.lasts, found.t1, found.t2, found.mtu, found.domain) == (3600, 1000, 3000, 1400, "home.example")
    assert found.dns == (IPv4Address("192.168.1.3"), IPv4Address("9.9.9.9"))
    nine, all_else = IPv4Address("192.168.1.9"), IPv4Network("0.0.0.0/0")
    assert found.routes == (Route(IPv4Network("10.0.0.0/8"), nine), Route(all_else, IPv4Address(SERVER)))


@pytest.mark.parametrize(
    ("given_address", "options", "reason"),
    [
        (ADDRESS, {"SERVER": b""}, "does not name itself"),
        (ADDRESS, {"SERVER": packed("255.255.255.255")}, "does not name itself"),
        (ADDRESS, {"SERVER": packed("0.0.0.0")}, "does not name itself"),
        (ADDRESS, {"LASTS": b""}, "for 0 s"),
        (ADDRESS, {"LASTS": four(0)}, "for 0 s"),
        (ADDRESS, {"LASTS": four(4)}, "for 4 s"),
        (ADDRESS, {"LASTS": b"\1"}, "for 0 s"),
        (ADDRESS, {"MASK": b""}, "subnet mask"),
        (ADDRESS, {"MASK": four(0)}, "subnet mask"),
        (ADDRESS, {"MASK": packed("255.0.255.0")}, "subnet mask"),
        (ADDRESS, {"MASK": b"\xff\xff"}, "subnet mask"),
        ("0.0.0.0", {}, "no machine can have"),
        ("255.255.255.255", {}, "no machine can have"),
        ("224.0.0.1", {}, "no machine can have"),
        ("127.0.0.1", {}, "no machine can have"),
        ("192.168.1.0", {}, "broadcast address"),
        ("192.168.1.255", {}, "broadcast address"),
        (SERVER, {}, "its own or the router's"),
        ("192.168.1.7", {"ROUTER": packed("192.168.1.6") + packed("192.168.1.7")}, "its own or the router's"),
    ],
)
def test_offers_that_lie(given_address: str, options: dict[str, bytes], reason: str) -> None:
    """An offer that makes no sense gives no lease, and the reason is a sentence."""
    with pytest.raises(ValueError, match=reason):
        lease_of(answer("OFFER", given_address, **options), NOW)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"LASTS": four(FOREVER)}, "t1", FOREVER),
        ({"LASTS": four(1000)}, "t1", 500),
        ({"LASTS": four(1000)}, "t2", 875),
        ({"LASTS": four(1000), "T1": four(900), "T2": four(800)}, "t1", 500),
        ({"LASTS": four(1000), "T1": four(1), "T2": four(800)}, "t1", 500),
        ({"LASTS": four(1000), "T1": four(400), "T2": four(1000)}, "t2", 875),
        ({"ROUTER": packed("10.0.0.1")}, "router", None),
        ({"ROUTER": packed("10.0.0.1") + packed("192.168.1.9")}, "router", IPv4Address("192.168.1.9")),
        ({"ROUTER": b"\1\2\3"}, "router", None),
        ({"ROUTER": packed("10.0.0.1"), "MASK": packed("255.255.255.255")}, "router", IPv4Address("10.0.0.1")),
        ({"ROUTES": b"\0" + packed("10.0.0.1")}, "routes", ()),
        ({"ROUTES": b"\0" + packed("0.0.0.0")}, "routes", (Route(IPv4Network("0.0.0.0/0"), IPv4Address(0)),)),
        ({"MTU": b"\0\x44"}, "mtu", 0),
        ({"DOMAIN": b"evil\nline"}, "domain", ""),
        ({"DOMAIN": b"a b"}, "domain", ""),
        ({"DOMAIN": b"\xff"}, "domain", ""),
        ({"DNS": packed("0.0.0.0") + packed("1.1.1.1")}, "dns", (IPv4Address("1.1.1.1"),)),
        ({"DNS": packed("1.1.1.1") * 60}, "dns", (IPv4Address("1.1.1.1"),) * 8),
    ],
)
def test_options_without_a_sense_are_left_out(options: dict[str, bytes], field: str, value: object) -> None:
    """Times are those of the RFC then, and routers, servers, texts and sizes count as not given."""
    assert getattr(lease_of(answer("ACK", **options), NOW), field) == value


@given(st.dictionaries(st.sampled_from(list(dhcp4.ASKED)), st.binary(max_size=40)), st.integers(0, 2**32 - 1))
@settings(max_examples=400, deadline=None)
def test_any_options_give_a_lease_that_makes_sense_or_none(options: dict[int, bytes], address: int) -> None:
    """Whatever the options are, a lease has an address that a machine can have, and times in their order."""
    whole = dict(answer("ACK").options) | options
    try:
        found: Lease4 = lease_of(DhcpMessage(dhcp4.ACK, 1, MAC, given=IPv4Address(address), options=whole), NOW)
    except ValueError:
        return
    assert is_host(found.address.ip)
    assert is_host(found.server)
    assert 0 < found.t1 <= found.t2 <= found.lasts
    alone = found.address.network.prefixlen == 32
    assert found.router is None or alone or found.router in found.address.network
