"""Where pools come from when the user names none."""

from ipaddress import IPv6Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.errors import Exhausted, InvalidRequest
from plugin.ipam.supernets import DEFAULT_IPV4, Supernet, WantedPool, choose_pool, default_ipv6, parse_supernets
from plugin.protocol.messages import Subnet
from tests.unit.ipam.counting import lines_run

V4 = WantedPool(4)
SMALL = (Supernet(ip_network("10.0.0.0/22"), 24), Supernet(ip_network("172.20.0.0/23"), 24))


def nets(*texts: str) -> list[Subnet]:
    return [ip_network(text) for text in texts]


def test_defaults() -> None:
    """The defaults are twice 2,048 pools of /24, and the /64s of a unique local /48 of this machine."""
    *four, six = parse_supernets("", "0123456789abcdef\n")
    assert [(str(found.network), found.size) for found in four] == [("10.200.0.0/13", 24), ("172.24.0.0/13", 24)]
    assert (six.network.prefixlen, six.size) == (48, 64)
    assert six.network.subnet_of(IPv6Network("fd00::/8"))  # type: ignore[arg-type]
    assert six == default_ipv6("0123456789abcdef") != default_ipv6("another")


def test_a_family_that_is_given_replaces_its_default_only() -> None:
    """Supernets of one family leave the default of the other; their order is kept."""
    found = parse_supernets(" 10.1.0.0/16:26, 10.2.0.0/16:24 ,", "m")
    assert [str(supernet.network) for supernet in found[:2]] == ["10.1.0.0/16", "10.2.0.0/16"]
    assert [supernet.size for supernet in found] == [26, 24, 64]
    assert parse_supernets("fd12:3456::/48:64", "m") == (
        Supernet(ip_network("fd12:3456::/48"), 64),
        *DEFAULT_IPV4,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.0/8", "it is not of the form"),
        ("10.0.0.0:24", "it is not of the form"),
        ("nonsense", "it is not of the form"),
        ("10.0.0.1/8:24", "host bits"),
        ("10.0.0.0/24:16", "not a prefix length between 24 and 32"),
        ("10.0.0.0/24:33", "not a prefix length between 24 and 32"),
        ("10.0.0.0/8:", "not a prefix length between 8 and 32"),
        ("10.0.0.0/8:+24", "not a prefix length"),
        ("fd12::/48", "it is not of the form"),
    ],
)
def test_a_supernet_that_cannot_be_read_is_named(text: str, reason: str) -> None:
    """A wrong setting is refused at start, with the entry and the rule that it breaks."""
    with pytest.raises(InvalidRequest, match=f"read supernet '{text.replace('+', '.')}': .*{reason}"):
        parse_supernets(f"10.9.0.0/16:24,{text}", "m")


def test_pools_come_in_order_and_go_round() -> None:
    """Pools are taken in order through all supernets, and then from the beginning."""
    last: Subnet | None = None
    found: list[str] = []
    for _ in range(7):
        last = choose_pool(SMALL, V4, [], [], last)
        found.append(str(last))
    assert found[:5] == ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "172.20.0.0/24"]
    assert found[5:] == ["172.20.1.0/24", "10.0.0.0/24"]


@pytest.mark.parametrize(
    ("reserved", "expected"),
    [
        (["10.0.0.0/24"], "10.0.1.0/24"),
        (["10.0.0.77/32"], "10.0.1.0/24"),
        (["10.0.0.0/23", "10.0.2.128/25"], "10.0.3.0/24"),
        (["10.0.0.0/8"], "172.20.0.0/24"),
        (["fd00::/8", "::/0"], "10.0.0.0/24"),
    ],
)
def test_what_the_host_uses_is_avoided(reserved: list[str], expected: str) -> None:
    """No pool overlaps a route, an address or a nameserver, however large or small, of its family."""
    assert str(choose_pool(SMALL, V4, [], nets(*reserved), None)) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(22, "10.0.0.0/22"), (23, "10.0.2.0/23"), (24, "10.0.1.0/24"), (29, "10.0.0.8/29")]
)
def test_a_size_alone_gives_a_pool_of_that_size(size: int, expected: str) -> None:
    """A request for a size gets an aligned block of it, behind what is taken."""
    pools = [] if size == 22 else nets("10.0.0.0/29")
    assert str(choose_pool(SMALL, WantedPool(4, size), pools, [], None)) == expected


def test_a_vpn_that_routes_all_of_10_leaves_the_second_default() -> None:
    """With 10.0.0.0/8 routed elsewhere there is still an IPv4 pool to be had."""
    assert str(choose_pool(DEFAULT_IPV4, V4, [], nets("10.0.0.0/8"), None)) == "172.24.0.0/24"


def test_a_size_that_no_supernet_has_is_refused() -> None:
    """The text names the supernets and the setting."""
    with pytest.raises(InvalidRequest, match=r"IPv4 pool of size /21: no supernet .* '10\.0\.0\.0/22'.*PYNET_POOLS"):
        choose_pool(SMALL, WantedPool(4, 21), [], [], None)


def test_exhaustion_says_what_is_in_the_way() -> None:
    """The text counts pynet's pools, names the widest networks of the host, and says how to go on."""
    pools = nets("10.0.0.0/24", "10.0.1.0/24")
    host = nets("10.0.0.1/32", "10.0.0.0/24", "10.0.2.0/23", "172.16.0.0/12", "192.168.0.0/16")
    expected = (
        r"'10\.0\.0\.0/22' in blocks of /24, .*: 2 pools are taken and the host uses '172\.16\.0\.0/12', '10\.0\.2"
    )
    with pytest.raises(Exhausted, match=expected) as caught:
        choose_pool(SMALL, V4, pools, host, None)
    assert str(caught.value).endswith("'10.0.2.0/23'; PYNET_POOLS adds supernets")


@settings(max_examples=50, deadline=None)
@given(
    taken=st.lists(st.tuples(st.integers(0, 1023), st.integers(22, 32)), max_size=12),
    size=st.integers(22, 26),
    last=st.none() | st.integers(0, 3),
)
def test_a_pool_is_found_exactly_when_there_is_one(taken: list[tuple[int, int]], size: int, last: int | None) -> None:
    """Compared with a plain search: a found pool is free, and ``Exhausted`` means that none is."""
    supernet = Supernet(ip_network("10.0.0.0/22"), 24)
    base = int(supernet.network.network_address)
    reserved = [type(supernet.network)((base + offset, length), strict=False) for offset, length in taken]
    behind = None if last is None else ip_network(f"10.0.{last}.0/24")
    free = [net for net in supernet.network.subnets(new_prefix=size) if not any(net.overlaps(r) for r in reserved)]
    try:
        assert choose_pool([supernet], WantedPool(4, size), [], reserved, behind) in free
    except Exhausted:
        assert free == []


def test_the_default_supernet_holds_2048_pools_at_little_cost() -> None:
    """The last pool among 2,047 others and 500 networks of the host is found without comparing all with all."""
    every: list[Subnet] = list(ip_network("10.200.0.0/13").subnets(new_prefix=24))
    host: list[Subnet] = [ip_network(f"10.{100 + number // 250}.{number % 250}.0/25") for number in range(500)]
    pools = every[:1000] + every[1001:]
    found: list[Subnet] = []
    cost = lines_run(lambda: found.append(choose_pool(DEFAULT_IPV4[:1], V4, pools, host, every[1000])))
    assert (len(every), found) == (2048, [every[1000]])
    assert cost < 60 * (len(pools) + len(host))
