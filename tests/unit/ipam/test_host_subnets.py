"""The networks of the host are listed once; later only those that came are heard of."""

from collections.abc import Collection, Sequence
from ipaddress import ip_network

from plugin.ipam.driver import Ipam
from plugin.ipam.supernets import parse_supernets
from plugin.protocol.messages import Address, ReleasePool, Subnet
from plugin.store.memory import MemoryStore
from tests.unit.ipam.parts import pool


class Routes:
    """A host that tells which routes came, but not which went."""

    def __init__(self, *routes: str) -> None:
        self.routes, self.came = list(routes), list[str]()
        self.listings = 0
        self.lost = True  # whether messages were lost, or nobody listened yet

    def in_use(self, within: Collection[Subnet] | None = None) -> Sequence[Subnet]:
        self.listings += 1
        return [ip_network(route) for route in self.routes]

    def new_in_use(self, within: Collection[Subnet]) -> Sequence[Subnet] | None:
        came, self.came = self.came, []
        lost, self.lost = self.lost, False
        return None if lost else [ip_network(route) for route in came]

    def has(self, address: Address) -> bool:
        return False

    def add(self, route: str) -> None:
        self.routes.append(route)
        self.came.append(route)


def manager(host: Routes) -> Ipam:
    """Return an address manager with room for four pools."""
    return Ipam(MemoryStore(), host, parse_supernets("10.0.0.0/22:24", "machine"))


def test_a_route_that_came_is_avoided_without_a_listing() -> None:
    """The first pool lists the host's routes; the next ones only hear of new routes."""
    host = Routes("10.0.0.0/24")
    ipam = manager(host)
    assert str(pool(ipam).pool) == "10.0.1.0/24"
    host.add("10.0.2.128/25")

    assert str(pool(ipam).pool) == "10.0.3.0/24"
    assert host.listings == 1


def test_routes_that_went_keep_no_pool_away_in_the_end() -> None:
    """Before a pool is refused, the routes are listed again."""
    host = Routes("10.0.0.0/22")
    ipam = manager(host)
    host.routes.append("10.0.0.0/23")
    host.routes.remove("10.0.0.0/22")
    first = pool(ipam)
    assert (str(first.pool), host.listings) == ("10.0.2.0/24", 1)
    host.routes.clear()
    pool(ipam)

    assert (str(pool(ipam).pool), host.listings) == ("10.0.0.0/24", 2)
    ipam.release_pool(ReleasePool(first.pool_id))


def test_lost_messages_lead_to_a_listing() -> None:
    """If the kernel dropped messages, the routes are listed again before a pool is chosen."""
    host = Routes()
    ipam = manager(host)
    pool(ipam)
    host.routes.append("10.0.1.0/24")
    host.lost = True

    assert str(pool(ipam).pool) == "10.0.2.0/24"
    assert host.listings == 2
