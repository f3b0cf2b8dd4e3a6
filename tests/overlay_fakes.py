"""An imaginary host that shares overlay networks with others through a store in memory."""

from collections.abc import Collection, Mapping
from ipaddress import ip_address, ip_interface
from typing import Any, cast

from netlink.errors import Exists, KernelError, Missing, NotSupported
from netlink.vxlan import Entry, VxlanLink
from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import ClusterView, Presence
from plugin.cluster.overlay.records import AddressClaim, ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.overlay.table_sync import TableSync
from plugin.cluster.overlay.underlay import Underlay
from plugin.errors import Failed
from plugin.modes.hostbridge import HostBridge
from plugin.modes.overlay import OverlayMode, Shared
from plugin.protocol.messages import Address, CreateNetwork
from plugin.store.base import Change, Record, Remove, Store
from plugin.store.base import SharedStore as SharedStoreProtocol
from plugin.store.memory import MemoryStore
from tests.fake_sockets import Steps
from tests.fakes import FailingStore, FakeKernel, World
from tests.unit import requests as rq

SHARED_KINDS = (ClusterNetwork, VniClaim, Member, Peer, AddressClaim)


class FakeTunnels:
    """VXLAN links of the imaginary host, and what stands in their tables."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel
        self.supported = True
        self.tables: dict[str, set[Entry]] = {}
        self.refused: set[Entry] = set()  # what the kernel will not take
        self.asked: list[Entry] = []
        self._vnis: dict[str, int] = {}
        self._sources: dict[str, Address] = {}

    def add_vxlan(self, link: VxlanLink) -> None:
        self._kernel.steps.take("add vxlan")
        if not self.supported:
            raise NotSupported(f"add vxlan '{link.name}': unknown device type")
        self._vnis = {name: vni for name, vni in self._vnis.items() if name in self._kernel.by_name}
        if link.vni in self._vnis.values():
            raise Exists(f"add vxlan '{link.name}': file exists")
        self._kernel.add_bridge(link.name, "", link.mtu)
        self._vnis[link.name] = link.vni
        self.tables[link.name] = set()
        self._sources[link.name] = link.local

    def change(
        self, bridge: str, link: str, add: Collection[Entry], delete: Collection[Entry] = ()
    ) -> Mapping[Entry, KernelError]:
        self._kernel.steps.take("change the tables")
        self._find(bridge, link)
        self.asked += [*add, *delete]
        self.tables[link] = (self.tables[link] - set(delete)) | (set(add) - self.refused)
        return {entry: KernelError(f"{entry}: invalid argument") for entry in add if entry in self.refused}

    def source(self, link: str) -> Address | None:
        return self._sources.get(link) if self._kernel.link_exists(link) else None

    def entries(self, bridge: str, link: str) -> set[Entry]:
        self._find(bridge, link)
        return set(self.tables[link])

    def close(self) -> None:
        """Nothing is open."""

    def _find(self, *names: str) -> None:
        for name in names:
            if not self._kernel.link_exists(name):
                raise Missing(name)


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
        super().__init__(store=local)
        self.real = shared or MemoryStore()
        self.shared = SharedStore(self.real, self.steps)
        self.removals, self.dead = Gone(self.shared), set[str]()
        address = ip_address(f"192.0.2.{number}")
        self.kernel.add_bridge("ul0", "", 1500)
        self.kernel.add_address("ul0", ip_interface(f"{address}/24"))
        self.tunnels = FakeTunnels(self.kernel)
        store = cast("SharedStoreProtocol", self.shared)
        alive = lambda host: host not in self.dead  # noqa: E731
        cluster = ClusterView(store, self.removals, alive, f"h{number}", address)
        self.peers = TableSync(store, self.failing_store.real, self.tunnels, self.firewall, cluster.host)
        self.own = Presence(self.store, cluster, self.peers, self.locks)
        bridge = HostBridge(self.kernel, self.firewall, self.settings, "pynet")
        agreement, underlay = Agreement(store, self.removals), Underlay(self.kernel, address)
        sharing = Shared(self.tunnels, agreement, self.peers, self.own, underlay)
        self.overlay = OverlayMode(bridge, self.kernel, sharing, "pynet")
        self.modes["overlay"] = self.overlay
        self.hear()

    def hear(self) -> None:
        """Do at once what the threads that watch do in the background."""
        self.peers.own.load()
        self.peers.peers.load()
        self.peers.members.load()
        self.own.mend()
        self.peers.look()

    def snapshot(self) -> object:
        """Everything that a verb may change, here and in the store that hosts share."""
        tables = {name: table for name, table in self.tunnels.tables.items() if self.kernel.link_exists(name)}
        return super().snapshot(), tables, [[i.record for i in self.real.list(kind)] for kind in SHARED_KINDS]


def overlay(network_id: str = rq.NETWORK_ID, *gateways: str, internal: bool = False, **options: str) -> CreateNetwork:
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
