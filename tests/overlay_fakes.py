"""An imaginary host that shares overlay networks with others through a store in memory."""

from ipaddress import ip_address, ip_interface
from typing import Any, cast

from plugin.cluster.overlay.presence import ClusterView
from plugin.cluster.overlay.records import AddressClaim, ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.secrecy.records import HostKeys
from plugin.errors import Failed
from plugin.model.records import Network
from plugin.protocol.messages import CreateNetwork
from plugin.store.base import Change, Record, Remove, Store
from plugin.store.base import SharedStore as SharedStoreProtocol
from plugin.store.memory import MemoryStore
from tests.fake_sockets import Steps
from tests.fake_store import FailingStore
from tests.fakes import FakeKernel, World
from tests.unit import requests as rq

SHARED_KINDS = (ClusterNetwork, VniClaim, Member, Peer, AddressClaim, HostKeys)


class Gone:
    """Takes the records of this host back; while the store is away they are left for later."""

    def __init__(self, store: "SharedStore") -> None:
        self._store = store
        self.left: list[Record] = []

    def take_back(self, *records: Record) -> bool:
        if self._store.away:
            self.left += records
            return False
        real = self._store.real
        there = [(record, real.get(type(record), record.key)) for record in records]
        mine = [record for record, found in there if found is not None and found.record == record]
        real.transact(*(Remove(type(record), record.key) for record in mine))
        return True

    def keep(self, *records: Record) -> None:
        """Drop what was left of these."""
        self.left = [record for record in self.left if record not in records]

    def flush(self) -> None:
        """Remove what was left, now that the store is back."""
        left, self.left = self.left, []
        self.take_back(*left)


class SharedStore:
    """A store that several hosts share; its writes are steps of one of them, and it can be away."""

    def __init__(self, real: Store, steps: Steps) -> None:
        self.real = real
        self._steps = steps
        self.away = False

    def transact(self, *changes: Change) -> None:
        self._answer()
        self._steps.take("write the cluster store")
        self.real.transact(*changes)

    def __getattr__(self, name: str) -> Any:
        self._answer()
        return getattr(self.real, name)

    def _answer(self) -> None:
        if self.away:
            raise Failed("write store 'etcd://store:2379': no server answered within 4 s")


class OverlayWorld(World):
    """A host with the address 192.0.2.NUMBER on a link of 1500 bytes."""

    def __init__(self, number: int = 1, shared: MemoryStore | None = None, local: FailingStore | None = None) -> None:
        kernel = FakeKernel(steps := Steps())
        kernel.add_bridge("ul0", "", 1500)
        address = ip_address(f"192.0.2.{number}")
        kernel.add_address("ul0", ip_interface(f"{address}/24"))
        self.real = shared or MemoryStore()
        self.shared = SharedStore(self.real, steps)
        self.removals, self.dead = Gone(self.shared), set[str]()
        store, alive = cast("SharedStoreProtocol", self.shared), lambda host: host not in self.dead
        super().__init__(kernel, store=local, cluster=ClusterView(store, self.removals, alive, f"h{number}", address))
        self.hear()

    def hear(self) -> None:
        """Do at once what the threads that watch do in the background."""
        self.peers.watching.load()
        self.presence.sweep()
        self.presence.mend()
        self.peers.sync()
        if self.secrecy.used:
            self.secrecy.known.listed(HostKeys, "", self.shared.list(HostKeys))
            self.secrecy.sync()

    def resume(self) -> None:
        """Go on with the networks in the host's own store, as after a start; the cluster store is not asked yet."""
        for item in self.store.list(Network):
            self.modes[item.record.mode].resume(item.record)

    def snapshot(self) -> object:
        """Everything that a verb may change, here and in the store that hosts share."""
        tables = {name: table for name, table in self.tunnels.tables.items() if self.kernel.link_exists(name)}
        routes = {metric: found for metric, found in self.routes.by_metric.items() if found}
        records = [[item.record for item in self.real.list(kind)] for kind in SHARED_KINDS]
        return super().snapshot(), tables, routes, self.keys.read(), self.wireguard.snapshot(), records


def overlay(
    network_id: str = rq.NETWORK_ID,
    *gateways: str,
    internal: bool = False,
    **options: str,
) -> CreateNetwork:
    """Return a request for an overlay network called blue; ``mtu`` and options of pynet's by their last word."""
    wanted = {"pynet.mode": "overlay", "pynet.network": "blue"}
    wanted |= {f"pynet.{key}" if key != "mtu" else "com.docker.network.driver.mtu": v for key, v in options.items()}
    return rq.network(network_id, *(gateways or ("10.9.0.1/24",)), internal=internal, options=wanted)


def host_with_endpoint() -> OverlayWorld:
    """Return a host with a network and an endpoint, which the cluster store knows."""
    world = OverlayWorld()
    world.driver.create_network(overlay())
    world.driver.create_endpoint(rq.endpoint())
    world.hear()
    return world
