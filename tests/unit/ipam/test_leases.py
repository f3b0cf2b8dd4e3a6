"""What a process remembers of a pool's leases between requests."""

from ipaddress import ip_address, ip_network

import pytest

from plugin.errors import Exhausted
from plugin.ipam.leases import Leased, LeaseTable
from plugin.model.records import Pool


class Listing:
    """A store's list of leases that counts how often it is read."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.reads = 0

    def __call__(self) -> Leased:
        self.reads += 1
        return [(ip_address(text), at) for at, text in enumerate(self.addresses, 1)]


def table(listing: Listing, subnet: str = "10.0.0.0/29") -> LeaseTable:
    return LeaseTable(Pool("p", ip_network(subnet)), listing)


def test_the_store_is_read_once() -> None:
    """The first request reads the leases, in whatever order they were made; the others remember."""
    listing = Listing("10.0.0.4", "10.0.0.2")
    leases = table(listing)
    assert [str(leases.take(first=False)) for _ in range(3)] == ["10.0.0.3", "10.0.0.5", "10.0.0.6"]
    assert listing.reads == 1


def test_an_address_on_its_way_to_the_store_is_kept_from_others() -> None:
    """When the leases are read again, what another request has just taken stays taken."""
    leases = table(Listing())
    on_its_way, refused = leases.take(first=False), leases.take(first=False)
    leases.drop(refused)
    assert str(on_its_way) == "10.0.0.1"
    assert str(leases.take(first=False)) == "10.0.0.2"


def test_a_release_is_remembered_without_reading() -> None:
    """An address that came back is found in a pool that was full, without reading the store."""
    listing = Listing()
    leases = table(listing, "10.0.0.0/31")
    for address in [leases.take(first=False) for _ in range(2)]:
        leases.settle(address)
    leases.free(ip_address("10.0.0.1"))
    assert str(leases.take(first=False)) == "10.0.0.1"
    assert listing.reads == 1


@pytest.mark.parametrize(("shared", "reads"), [(True, [1, 2, 3]), (False, [1, 1, 1])])
def test_a_full_pool_is_read_again_where_others_may_have_freed_some(*, shared: bool, reads: list[int]) -> None:
    """Once for each request, before it is called exhausted; nobody but this process frees what is of this host."""
    listing = Listing("10.0.0.0", "10.0.0.1")
    leases = LeaseTable(Pool("p", ip_network("10.0.0.0/31")), listing, shared=shared)
    for expected in reads:
        with pytest.raises(Exhausted):
            leases.take(first=False)
        assert listing.reads == expected
