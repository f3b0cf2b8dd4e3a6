"""Lost pools and leases are rebuilt only if every taken address is visible, as none may be handed out twice."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from structlog.testing import capture_logs

from plugin.ipam.supernets import parse_supernets
from plugin.model.records import Endpoint, Lease, Network, NetworkSubnet, Pool
from plugin.rebuild.pools import rebuild_pools

SUPERNETS = parse_supernets("", "0123456789abcdef")
OWN, OTHERS = IPv4Network("10.200.7.0/24"), IPv4Network("172.24.0.0/16")


def network(subnet: IPv4Network) -> Network:
    """Return a network with the first address as its gateway."""
    gateway = IPv4Interface((subnet[1], subnet.prefixlen))
    return Network("a1", "bridge", "pn-a1", subnets=(NetworkSubnet(subnet, gateway),))


def endpoint(address: str = "") -> Endpoint:
    """Return an endpoint of the network; one without a guard shows no address."""
    return Endpoint(f"e{address}", "a1", "", IPv4Interface(address) if address else None)


def test_a_pool_that_pynet_chose_comes_back_with_its_leases() -> None:
    """The length of the pools tells pynet's subnets from Docker's, which cuts the same range into larger ones."""
    found = rebuild_pools(SUPERNETS, [network(OWN), endpoint("10.200.7.9/24")])

    pool = "pynet-local/10.200.7.0/24"
    leases = [Lease(pool, IPv4Address("10.200.7.9")), Lease(pool, IPv4Address("10.200.7.1"), "gateway")]
    assert found == [Pool(pool, OWN), *leases]
    assert rebuild_pools(SUPERNETS, [network(OTHERS)]) == []


def test_a_pool_with_unseen_addresses_stays_away() -> None:
    """A pool with invisible addresses is not rebuilt: with it, an address could go to two containers."""
    with capture_logs() as lines:
        assert rebuild_pools(SUPERNETS, [network(OWN), endpoint()]) == []

    assert [(line["log_level"], line["subnet"]) for line in lines] == [("warning", str(OWN))]


def test_leases_name_their_pool() -> None:
    """A salvaged lease names its pool, also one with a range or outside of the supernets, so the pool is rebuilt."""
    lease = Lease("pynet-local/10.9.0.0/24/10.9.0.128/25", IPv4Address("10.9.0.130"))
    [pool] = rebuild_pools(SUPERNETS, [lease])

    assert pool == Pool(lease.pool_id, IPv4Network("10.9.0.0/24"), IPv4Network("10.9.0.128/25"))


def test_a_known_pool_gets_the_leases_that_it_lost() -> None:
    """A damaged page may hold leases alone."""
    pool, gateway = Pool("pynet-local/x", OWN), Lease("pynet-local/x", IPv4Address("10.200.7.1"), "gateway")
    found = rebuild_pools(SUPERNETS, [network(OWN), endpoint("10.200.7.9/24"), pool, gateway])

    assert found == [Lease("pynet-local/x", IPv4Address("10.200.7.9"))]


def test_an_id_that_cannot_be_read_is_said() -> None:
    """An id that cannot be read is logged, and does not keep pynet from starting."""
    with capture_logs() as lines:
        assert rebuild_pools(SUPERNETS, [Lease("nonsense", IPv4Address("10.0.0.1"))]) == []

    assert lines[0]["pool"] == "nonsense"
