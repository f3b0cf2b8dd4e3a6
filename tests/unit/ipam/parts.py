"""Collaborators of the address manager for tests: a host that says what it is told, and stores with a will."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from plugin.errors import Failed
from plugin.ipam.driver import Ipam
from plugin.ipam.supernets import Supernet, parse_supernets
from plugin.protocol.messages import Address, PoolReply, ReleaseAddress, RequestAddress, RequestPool, Subnet
from plugin.store.base import Change, R, Store, Versioned
from plugin.store.memory import MemoryStore

SUPERNETS: Sequence[Supernet] = parse_supernets("10.200.0.0/20:24,fd00:1::/60:64", "machine")


class Host:
    """A host that uses the networks it was made with."""

    def __init__(self, *networks: str) -> None:
        self._networks = [ip_network(network) for network in networks]
        self.own = set[Address]()

    def in_use(self, within: Collection[Subnet] | None = None) -> Sequence[Subnet]:
        return self._networks

    def new_in_use(self, within: Collection[Subnet]) -> Sequence[Subnet] | None:
        return None

    def has(self, address: Address) -> bool:
        return address in self.own


class MeddlingStore(MemoryStore):
    """Calls ``before`` and then, when ``failures`` are left, refuses instead of writing."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] = lambda: None
        self.failures = 0

    def transact(self, *changes: Change) -> None:
        before, self.before = self.before, lambda: None
        before()
        if self.failures:
            self.failures -= 1
            raise Failed("write store in memory: the disk is full")
        super().transact(*changes)


class CountingStore(MemoryStore):
    """Counts how often each kind of record is listed."""

    def __init__(self) -> None:
        super().__init__()
        self.listings: Counter[type[Any]] = Counter()

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        self.listings[kind] += 1
        return super().list(kind, prefix)


def manager(store: Store | None = None, *host: str) -> Ipam:
    """Return an address manager over ``store`` on a host that uses the networks ``host``."""
    return Ipam(MemoryStore() if store is None else store, Host(*host), SUPERNETS)


def pool(ipam: Ipam, subnet: str | None = None, sub_pool: str | None = None, *, v6: bool | None = None) -> PoolReply:
    """Request a pool of the local space."""
    wanted = None if subnet is None else ip_network(subnet)
    part = None if sub_pool is None else ip_network(sub_pool)
    six = v6 if v6 is not None else wanted is not None and wanted.version == 6
    return ipam.request_pool(RequestPool("pynet-local", wanted, part, {}, six))


def address(ipam: Ipam, pool_id: str, wanted: str | None = None, **options: str) -> str:
    """Request an address; ``gateway="yes"`` asks for a gateway, ``name`` says for whom."""
    sent = {"com.docker.network.endpoint.name": options["name"]} if "name" in options else {}
    if "gateway" in options:
        sent["RequestAddressType"] = "com.docker.network.gateway"
    return str(ipam.request_address(RequestAddress(pool_id, ip_address(wanted) if wanted else None, sent)).address)


def release(ipam: Ipam, pool_id: str, taken: str) -> None:
    """Release an address, given with or without a prefix length."""
    ipam.release_address(ReleaseAddress(pool_id, ip_address(taken.partition("/")[0])))
