"""Which addresses of a pool are handed out, in which order, at which cost."""

import random
from ipaddress import ip_address, ip_network

import pytest

from plugin.errors import Exhausted, InvalidRequest
from plugin.ipam.allocator import AddressPool, check_usable
from tests.unit.ipam.counting import lines_run


def allocator(subnet: str, sub_pool: str | None = None) -> AddressPool:
    return AddressPool(ip_network(subnet), None if sub_pool is None else ip_network(sub_pool))


@pytest.mark.parametrize(
    ("subnet", "sub_pool", "expected"),
    [
        ("10.0.0.0/29", None, [f"10.0.0.{n}" for n in range(1, 7)]),
        ("10.0.0.0/30", None, ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.0/31", None, ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.7/32", None, ["10.0.0.7"]),
        ("fd00::/126", None, ["fd00::1", "fd00::2", "fd00::3"]),
        ("fd00::/127", None, ["fd00::", "fd00::1"]),
        ("fd00::5/128", None, ["fd00::5"]),
        ("::/126", None, ["::1", "::2", "::3"]),
        ("10.0.0.0/24", "10.0.0.128/31", ["10.0.0.128", "10.0.0.129"]),
        ("10.0.0.0/24", "10.0.0.0/30", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("10.0.0.0/24", "10.0.0.252/30", ["10.0.0.252", "10.0.0.253", "10.0.0.254"]),
        ("10.0.0.0/24", "10.0.0.255/32", []),
        ("fd00::/64", "fd00::/127", ["fd00::1"]),
    ],
)
def test_a_pool_hands_out_exactly_its_usable_addresses(subnet: str, sub_pool: str | None, expected: list[str]) -> None:
    """Each usable address is given once, in order, and then the text counts them."""
    pool = allocator(subnet, sub_pool)
    assert [str(pool.take()) for _ in expected] == expected
    with pytest.raises(Exhausted, match=f"pool '{subnet}': {len(expected)} of {len(expected)} are taken"):
        pool.take()


def test_a_freed_address_waits_for_a_full_turn() -> None:
    """An address that was given back comes again only after every other one."""
    pool = allocator("10.0.0.0/29")
    pool.take()
    pool.free(pool.take())
    pool.free(ip_address("10.0.0.1"))
    assert [str(pool.take())[-1] for _ in range(6)] == ["3", "4", "5", "6", "1", "2"]


def test_the_search_goes_on_behind_the_last_lease() -> None:
    """A pool that is read back continues where it stopped; a last lease outside of the range begins anew."""
    subnet, part = ip_network("10.0.0.0/24"), ip_network("10.0.0.8/30")
    assert str(AddressPool(subnet, taken=[int(ip_address("10.0.0.5"))], last=int(ip_address("10.0.0.5"))).take()) == (
        "10.0.0.6"
    )
    for last in ("10.0.0.2", "10.0.0.200", "10.0.0.255"):
        assert str(AddressPool(subnet, part, last=int(ip_address(last))).take()) == "10.0.0.8"


def test_a_gateway_takes_the_first_address() -> None:
    """The first address is taken when it is free, wherever the search stands; otherwise the next one is."""
    pool = allocator("10.0.0.0/29")
    assert [str(pool.take()) for _ in range(3)][-1] == "10.0.0.3"
    pool.free(ip_address("10.0.0.1"))
    assert str(pool.take(first=True)) == "10.0.0.1"
    assert str(pool.take(first=True)) == "10.0.0.4"
    assert str(pool.take()) == "10.0.0.5"


@pytest.mark.parametrize(
    ("subnet", "address", "reason"),
    [
        ("10.0.0.0/24", "10.0.0.0", "is the network address of pool"),
        ("10.0.0.0/24", "10.0.0.255", "is the broadcast address of pool"),
        ("fd00::/64", "fd00::", "is the subnet-router anycast address"),
        ("10.0.0.0/24", "10.0.1.1", "is not in pool '10.0.0.0/24'"),
        ("10.0.0.0/24", "fd00::1", "is not in pool '10.0.0.0/24'"),
    ],
)
def test_an_address_with_a_meaning_of_its_own_is_refused(subnet: str, address: str, reason: str) -> None:
    """The text says what the address is, or that it lies outside."""
    with pytest.raises(InvalidRequest, match=f"address '{address}' {reason}"):
        check_usable(ip_network(subnet), ip_address(address))


@pytest.mark.parametrize(
    ("subnet", "address"),
    [("10.0.0.0/31", "10.0.0.0"), ("10.0.0.1/32", "10.0.0.1"), ("fd00::/64", "fd00::ffff:ffff:ffff:ffff")],
)
def test_the_edges_of_small_pools_are_usable(subnet: str, address: str) -> None:
    """A /31 and a /32 have no network address, and IPv6 has no broadcast address."""
    check_usable(ip_network(subnet), ip_address(address))
    assert str(AddressPool(ip_network(subnet), last=int(ip_address(address)) - 1).take()) == address


@pytest.mark.parametrize("spread", ["anywhere", "in one run", "every second"])
def test_a_large_pool_costs_no_walk(spread: str) -> None:
    """With 60,000 leases in a /16, the next address is found in a few dozen lines however they lie."""
    base = int(ip_address("10.0.0.0"))
    numbers = {
        "anywhere": random.Random(7).sample(range(1, 65535), 60_000),
        "in one run": range(1, 60_001),
        "every second": range(1, 65_534, 2),
    }[spread]
    pool = AddressPool(ip_network("10.0.0.0/16"), taken=[base + number for number in numbers])
    assert max(lines_run(pool.take) for _ in range(50)) < 60


def test_a_pool_of_2_to_the_64_costs_no_more() -> None:
    """The size of the pool does not matter, nor does reaching its end."""
    subnet = ip_network("fd00::/64")
    pool = AddressPool(subnet, taken=[int(subnet.broadcast_address)], last=int(subnet.broadcast_address) - 1)
    assert lines_run(pool.take) < 60
    assert str(pool.take()) == "fd00::2"
