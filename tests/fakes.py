"""In-memory kernel and nftables that refuse what the real ones refuse, and a world that can fail at any step."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cli.server.wiring import Host, Pynet
from netlink.bridge_port import BridgePort, port_flags
from netlink.errors import Exists, KernelError, Missing
from netlink.links import Link, group_of
from netlink.nft_elements import Element, NamedSet
from netlink.veth import VethPair
from plugin.cluster.overlay.presence import ClusterView
from plugin.cluster.secrecy.key_file import KeysInMemory
from plugin.cluster.secrecy.means import Means
from plugin.dhcp.record import DhcpLease
from plugin.driver import Driver
from plugin.engine.names import Known, Names
from plugin.firewall.sets import SEAL
from plugin.ipam.supernets import parse_supernets
from plugin.model.link_owner import Owner
from plugin.model.records import ChangedSetting, Endpoint, Network, Tombstone
from plugin.protocol.messages import Address, InterfaceAddress, Subnet
from plugin.request.locks import Locks
from plugin.store.base import LocalStore
from tests.elements import SET, as_listed
from tests.fake_dhcp import FakeDhcp
from tests.fake_lan_links import FakeLanLinks
from tests.fake_limits import FakeLimits
from tests.fake_routes import FakeRoutes
from tests.fake_sockets import FakeConntrack, FakeSockets, Steps
from tests.fake_store import FailingStore
from tests.fake_tunnels import FakeTunnels
from tests.fake_wireguard import FakeWireGuards

OWNER = Owner("pynet")
GROUP = OWNER.group
SMALL, LARGEST = 65536, 524280  # bytes, of a veth link


class FakeKernel(FakeLimits, FakeLanLinks):
    """Links, addresses and settings of one imaginary host."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self._next_index = 1
        self.by_name: dict[str, Link] = {}
        self.peers: dict[str, str] = {}
        self.macs: dict[str, set[str]] = {}  # behind ports of bridges
        self.assigned: set[tuple[str, InterfaceAddress]] = set()
        self.default_routes: list[tuple[str, bool]] = []
        self.ways_out: set[str] = set()
        self.big = True  # whether it is a kernel with packets above 64 kB
        self.settings: dict[str, str] = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"}

    def links(self, *, kind: str = "", master: int = 0) -> list[Link]:
        return [link for link in list(self.by_name.values()) if kind in {"", link.kind} and master in {0, link.master}]

    def link(self, name: str) -> Link | None:
        return self.by_name.get(name)

    def link_exists(self, name: str) -> bool:
        return name in self.by_name

    def set_up(self, name: str) -> None:
        self.steps.take("set up")
        self.change(name, up=True)

    def set_down(self, name: str) -> None:
        self.steps.take("set down")
        self.change(name, up=False)

    def set_mac(self, name: str, mac: str) -> None:
        self.steps.take("set MAC")
        self.change(name, mac=mac)

    def set_mtu(self, name: str, mtu: int) -> None:
        self.steps.take("set MTU")
        self.change(name, mtu=mtu)

    def set_master(self, name: str, bridge: str) -> None:
        self.steps.take("attach")
        self.change(name, master=self._find(bridge).index)

    def change(self, name: str, **values: Any) -> None:
        """Change a link, as others might."""
        self.by_name[name] = replace(self._find(name), **values)

    def set_port(self, name: str, port: BridgePort, gone: Collection[str] = ()) -> None:
        self.steps.take("set port flags")
        self.change(name, port=port_flags(learning=port.learning, isolated=port.isolated), group=group_of(GROUP, port))
        self.tags[name] = port.tags
        self.macs[name] = (self.macs.get(name, set()) - set(gone)) | set(port.macs)

    def set_hairpin(self, name: str) -> None:
        self._find(name)

    def add_bridge(self, name: str, mac: str, mtu: int) -> None:
        self.steps.take("add bridge")
        self._add(name, kind="bridge", mac=mac, mtu=mtu, **self._sizes(SMALL))

    def add_veth(self, pair: VethPair) -> None:
        self.steps.take("add veth")
        master = self._find(pair.master).index
        if not self.big and (pair.gso or pair.master_gso):
            raise KernelError("a kernel without packets above 64 kB makes IPv4 packets of a wrong length")
        if pair.peer in self.by_name:
            raise Exists(pair.peer)
        sizes = self._sizes(pair.gso or SMALL)
        mtu, peer_mtu = pair.mtus(self._find(pair.master).mtu)
        self._add(pair.host, kind="veth", mtu=mtu, mac=pair.mac, master=master, up=True, alias=pair.alias, **sizes)
        self.change(pair.master, **self._sizes(pair.master_gso or self._find(pair.master).gso))
        self.set_port(pair.host, pair.port)
        self.settings |= pair.settings
        self._add(pair.peer, kind="veth", mtu=peer_mtu, mac=pair.peer_mac, group=0, **sizes)
        self.peers |= {pair.host: pair.peer, pair.peer: pair.host}

    def set_alias(self, name: str, alias: str) -> None:
        self.steps.take("set alias")
        self.change(name, alias=alias)

    def delete_link(self, link: Link) -> None:
        self.steps.take("delete link")
        self._drop(self._by_index(link))

    def _drop(self, name: str) -> None:
        for gone in {name, self.peers.pop(name, name)}:
            self.by_name.pop(gone, None)
            self.forget_limits(gone)
            self.forget_children(gone)
            self.peers.pop(gone, None)
            # In place and from copies: other threads add to both meanwhile.
            self.assigned -= {(link, address) for link, address in set(self.assigned) if link == gone}
            for path in [path for path in list(self.settings) if f"/{gone}/" in path]:
                self.settings.pop(path, None)

    def delete_links(self, links: Sequence[Link]) -> None:
        self.steps.take("delete links")
        for link in links:
            with suppress(Missing):
                self._drop(self._by_index(link))

    def _by_index(self, wanted: Link) -> str:
        for name, link in list(self.by_name.items()):
            if link.index == wanted.index:
                return name
        raise Missing(wanted.name)

    def add_address(self, name: str, address: InterfaceAddress) -> None:
        self.steps.take("add address")
        self._find(name)
        if (name, address) in self.assigned:
            raise Exists(str(address))
        self.assigned.add((name, address))

    def delete_address(self, name: str, address: InterfaceAddress) -> None:
        self.steps.take("delete address")
        if (name, address) not in self.assigned:
            raise Missing(str(address))
        self.assigned.remove((name, address))

    def addresses(self, *, link_local: bool = False) -> list[tuple[str, InterfaceAddress]]:
        return sorted(self.assigned, key=str)

    def addresses_of(self, name: str) -> list[InterfaceAddress]:
        self._find(name)
        return [address for link, address in sorted(self.assigned, key=str) if link == name]

    def ipv6_default_routes(self) -> list[tuple[str, bool]]:
        return self.default_routes

    def uplinks(self) -> Collection[str]:
        return self.ways_out

    def takes_gso(self) -> bool:
        return self.big

    def set_gso(self, name: str, size: int) -> None:
        self.steps.take("set largest packet")
        self.change(name, gso=size)

    def read_setting(self, path: str) -> str:
        return self.settings[path] if "/conf/all/" in path or path in self.settings else "0"

    def write_setting(self, path: str, value: str) -> None:
        self.steps.take("write setting")
        self.settings[path] = value

    def finish_link(self, name: str, alias: str, settings: Mapping[str, str]) -> None:
        self.steps.take("finish a link")
        self.change(name, alias=alias, up=True)
        self.settings |= settings

    def close(self) -> None:
        """Nothing is open."""

    def snapshot(self) -> object:
        links = {name: (link.kind, link.mac, link.mtu, link.alias, link.up) for name, link in self.by_name.items()}
        return links, {*self.assigned}, {**self.settings}, {**self.limits}, {**self.redirected}, {**self.routes}

    def add_link(self, name: str, kind: str, gso: int) -> None:
        self._add(name, kind=kind, mtu=1500, **self._sizes(gso or SMALL))

    def _add(self, name: str, **values: Any) -> None:
        if name in self.by_name:
            raise Exists(name)
        self.by_name[name] = Link(index=self._next_index, name=name, **{"group": GROUP, **values})
        self._next_index += 1

    def _sizes(self, size: int) -> dict[str, int]:
        return {"gso": size, "gso_limit": LARGEST} if self.big else {}

    def _find(self, name: str) -> Link:
        if name not in self.by_name:
            raise Missing(name)
        return self.by_name[name]


_ELEMENT = re.compile(r"add element (?:inet|bridge) \S+ (\S+) \{ (.*) \}")


class FakeNft:
    """Understands as much of nft's language as pynet writes: tables, and elements of sets."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.table = False
        self.rewritten = ""  # what somebody made of the rules
        self.elements: set[tuple[str, str]] = set()
        self.seal: list[bytes] = []
        self.unwritable: set[str] = set()  # words that nobody can write
        self._foreign, self._last = 0, self.snapshot()  # changes by others, and what there was after the last change

    def check(self, text: str) -> None:
        for word in self.unwritable:
            if word in text:
                raise KernelError(f"change nftables: syntax error, unexpected {word}")

    def exists(self, table: str) -> bool:
        return self.table

    def generation(self) -> int:
        """A number that follows from what there is, as tests change that without asking."""
        self._foreign += self.snapshot() != self._last
        self._last = self.snapshot()
        return self._foreign

    def apply(self, text: str) -> None:
        self._steps.take("apply nft")
        self.generation()
        self.check(text)
        whole = "chain forward" in text
        if whole or text.startswith("table"):
            self.table, self.elements, self.rewritten, self.seal = whole, set(), "", []
        if not self.table and "element" in text:
            raise Missing("No such file or directory")
        after = self.elements | {(n, value) for n, values in _ELEMENT.findall(text) for value in values.split(", ")}
        _check_keys(after)
        self.elements = after
        self._last = self.snapshot()

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        if [one.of for one in add] == [SEAL]:  # no step: if it fails, all is as before
            self.seal = [one.packed for one in add]
            return
        self._steps.take("change elements")
        self.generation()
        if flawed := next((one.flaw for one in (*delete, *add) if one.flaw), ""):
            raise KernelError(flawed)
        going, coming = ({(one.of.name, one.text) for one in some} for some in (delete, add))
        for _, value in going | coming:
            self.check(value)
        if not self.table or not going <= self.elements:
            raise Missing(f"change elements of {table}: no such file or directory")
        after = (self.elements - going) | coming
        _check_keys(after)
        self.elements = after
        self._last = self.snapshot()

    def list(self, what: str) -> Sequence[dict[str, Any]]:
        if what.startswith("chain") or not self.table:
            raise Missing(what)
        listed = what.startswith("table inet")  # the other table is listed without elements
        names = sorted({name for name, _ in self.elements}) if listed else []
        return [{"set": {"family": SET[name].family, "name": name, "elem": self._listed(name)}} for name in names]

    def _listed(self, name: str) -> Sequence[Any]:
        return [as_listed(value) for owner, value in self.elements if owner == name]

    def static_parts(self, table: str) -> Sequence[bytes]:
        if not self.table:
            raise Missing(table)
        return [table.encode(), self.rewritten.encode()]

    def elements_of(self, table: str, of: NamedSet) -> Sequence[bytes]:
        if not self.table:
            raise Missing(table)
        if of is SEAL:
            return self.seal
        return [of.read(as_listed(value)).packed for name, value in self.elements if name == of.name]

    def snapshot(self) -> object:
        return self.table, self.rewritten, frozenset(self.elements)


def _check_keys(elements: set[tuple[str, str]]) -> None:
    """Refuse a key of a map that leads to two values."""
    mapped = [(name, value.partition(" : ")[0]) for name, value in elements if " : " in value]
    if len(mapped) > len(set(mapped)):
        raise Exists("change elements: file exists")


class NoNetworks:
    """A host that uses no networks yet."""

    def in_use(self, within: Collection[Subnet] | None = None) -> Sequence[Subnet]:
        return []

    def new_in_use(self, within: Collection[Subnet]) -> Sequence[Subnet] | None:
        return []

    def has(self, address: Address) -> bool:
        return False


class World(Pynet):
    """pynet on an imaginary host."""

    def __init__(
        self,
        kernel: FakeKernel | None = None,
        nft: FakeNft | None = None,
        store: FailingStore | None = None,
        locks: Locks | None = None,
        cluster: ClusterView | None = None,
    ) -> None:
        self.steps = kernel.steps if kernel else Steps()
        self.kernel = kernel or FakeKernel(self.steps)
        self.nft = nft or FakeNft(self.steps)
        self.failing_store = store or FailingStore(self.steps)
        self.store: LocalStore = self.failing_store
        self.locks = locks or Locks(deadline=1)
        self.tunnels, self.routes = FakeTunnels(self.kernel), FakeRoutes(self.steps)
        self.sockets, self.conntrack = FakeSockets(self.steps), FakeConntrack()
        self.wireguard, self.keys = FakeWireGuards(self.kernel), KeysInMemory()
        self.dhcp = FakeDhcp(self.steps)
        self.known = Known()  # what the engine would say
        self.names = Names(lambda: self.known)
        host = Host(
            kernel=self.kernel,
            nft=self.nft,
            tunnels=self.tunnels,
            routes=self.routes,
            sockets=self.sockets,
            conntrack=self.conntrack,
            networks=NoNetworks(),
            store=self.store,
            supernets=parse_supernets("", "0123456789abcdef"),
            names=self.names,
            locks=self.locks,
            cluster=cluster,
            dhcp=lambda: self.dhcp,
            means=Means(self.wireguard, self.keys),
        )
        super().__init__("pynet", host, linger=0)

    def snapshot(self) -> object:
        """Everything that a verb may change, in a comparable form."""
        held = frozenset(self.sockets.taken)
        return self.kernel.snapshot(), self.nft.snapshot(), held, self.dhcp.snapshot(), self._records()

    def _records(self) -> object:
        kinds = (Network, Endpoint, DhcpLease, Tombstone, ChangedSetting)
        return [[item.record for item in self.failing_store.real.list(kind)] for kind in kinds]

    def bury(self) -> None:
        """Do at once what happens in the background: removals that are owed, the reaper, the watcher."""
        self.reaper.retries.run()
        for item in self.store.list(Tombstone):
            self.reaper.clear(item.record.link)
        self.firewall.heal()

    def failing_at(self, step: int) -> Driver:
        """Return the driver, whose ``step``-th next step fails."""
        self.steps.count, self.steps.fail_at = 0, step
        return self.driver

    def healed(self) -> Driver:
        """Return the driver, whose steps all succeed again."""
        return self.failing_at(0)

    def steps_of(self, call: Callable[[Driver], object]) -> int:
        """Return how many steps ``call`` takes."""
        self.steps.count, self.steps.fail_at = 0, 0
        call(self.driver)
        return self.steps.count
