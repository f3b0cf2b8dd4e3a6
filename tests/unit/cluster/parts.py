"""A cluster of fake hosts around a store that can be away, lose replies, and let records expire."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network

from plugin.cluster.addresses.driver import ClusterAddresses, ThisHost
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.addresses.repair import Stores
from plugin.cluster.addresses.upkeep import Upkeep
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.records import ClusterHost
from plugin.protocol.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool, Subnet
from plugin.request.retries import RetryQueue
from plugin.store.base import Change, ClusterStore, Put, R, Record, Remove, Store, StoreAway, Unreadable, Versioned
from plugin.store.memory import MemoryStore
from tests.unit.ipam.parts import SUPERNETS
from tests.unit.ipam.parts import Host as HostNetworks


class FakeClusterStore(MemoryStore):
    """Refuses while ``away``; carries the next ``lose_replies`` transactions out and loses their replies."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.lose_replies = 0
        self.asked = 0

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        self._ask("read")
        return super().get(kind, key)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        self._ask("read")
        return super().list(kind, prefix)

    def transact(self, *changes: Change) -> None:
        self._ask("write")
        super().transact(*changes)
        if self.lose_replies:
            self.lose_replies -= 1
            raise StoreAway("write store 'fake': no endpoint answers")

    def announce(self, record: Record, seconds: int) -> bool:
        there = None
        with suppress(Unreadable):
            there = self.get(type(record), record.key)
        self.transact(Put(record))
        return there is not None and there.record == record

    def expire(self, host: str) -> None:
        """Delete the host's record, as the server does when the host has not renewed it."""
        super().transact(Remove(ClusterHost, host))

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        return dict.fromkeys([item.record.key for item in self.list(kind)], 3.0)

    def _ask(self, action: str) -> None:
        self.asked += 1
        if self.away:
            raise StoreAway(f"{action} store 'fake': no endpoint answers")


class ClusterMember:
    """A host with its own store, and the requests of its engine."""

    def __init__(self, shared: ClusterStore, name: str = "a", *in_use: str, local: Store | None = None) -> None:
        self.local = local or MemoryStore()
        self.shared = shared
        self.me = ClusterHost(f"id-{name}", name, ip_address("192.0.2.1"), 0)
        self.networks = HostNetworks(*in_use)
        self.now = 0.0
        self.start()

    def start(self) -> None:
        """Make the parts anew, as after a crash: only the stores are left."""
        stores = Stores(self.local, self.shared)
        self.outbox = Outbox(self.local, self.shared, HOST_KINDS)
        self.retries = RetryQueue()
        here = ThisHost(self.me.id, self.networks, SUPERNETS, self.retries)
        self.addresses = ClusterAddresses(stores, self.outbox, here)
        self.upkeep = Upkeep(self.outbox, self.addresses.repair, lambda: 0.0)
        self.upkeep.when_back(self.addresses.repair.own)
        self.membership = Membership(self.shared, self.me, self.upkeep.returned)

    def beat(self) -> None:
        """Do one round of the threads, some seconds after the last one: renew, carry out waiting removals, compare."""
        self.now += 20
        self.membership.renew()
        self.upkeep.tend(self.now)

    def pool(self, subnet: str | None = None, sub_pool: str | None = None, network: str = "blue") -> str:
        """Request a pool and return its id."""
        wanted: Subnet | None = ip_network(subnet) if subnet else None
        part: Subnet | None = ip_network(sub_pool) if sub_pool else None
        options = {"pynet.network": network}
        six = wanted is not None and wanted.version == 6
        return self.addresses.request_pool(RequestPool("pynet-local", wanted, part, options, six)).pool_id

    def address(self, pool_id: str, wanted: str | None = None, name: str = "", *, gateway: bool = False) -> str:
        """Request an address and return it without its length."""
        options = {"RequestAddressType": "com.docker.network.gateway"} if gateway else {}
        options |= {"com.docker.network.endpoint.name": name} if name else {}
        reply = self.addresses.request_address(RequestAddress(pool_id, ip_address(wanted) if wanted else None, options))
        return str(reply.address.ip)

    def release(self, pool_id: str, taken: str) -> None:
        """Give an address back."""
        self.addresses.release_address(ReleaseAddress(pool_id, ip_address(taken)))

    def release_pool(self, pool_id: str) -> None:
        """Give a pool back."""
        self.addresses.release_pool(ReleasePool(pool_id))


def leases(store: Store) -> dict[str, str]:
    """Return which host holds which address."""
    return {str(item.record.address): item.record.host for item in store.list(ClusterLease)}
