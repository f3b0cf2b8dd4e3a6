"""Children and VLANs of links, and VLANs of bridges, of an imaginary kernel, which may lack kinds."""

from typing import Any

from netlink.bridge_vlan import Vlans
from netlink.errors import Exists, InUse, KernelError, Missing, NotSupported
from netlink.lan_links import ChildLink
from netlink.links import Link
from tests.fake_host_routes import FakeHostRoutes
from tests.fake_sockets import Steps

LAN_MAC = "52:54:00:00:00:01"


class FakeLanLinks(FakeHostRoutes):
    """Links as ``netlink.lan_links.LanLinks`` makes them; the kernel deletes them with the link below."""

    steps: Steps
    by_name: dict[str, Link]

    def __init__(self) -> None:
        super().__init__()
        self.children: dict[str, ChildLink] = {}  # by name, in whatever namespace
        self.below: dict[str, str] = {}  # the link below, by the name of a VLAN
        self.vlans: dict[tuple[str, int], str] = {}
        self.kinds_it_lacks: set[str] = set()  # kinds that the kernel does not have
        self.wireless: set[str] = set()
        self.tags: dict[str, Vlans] = {}  # of ports of bridges, by name
        self.telling: set[str] = set()  # bridges that tell VLANs apart

    def _add(self, name: str, **values: Any) -> None:
        raise NotImplementedError

    def add_parent(self, name: str = "lan0", **values: Any) -> Link:
        """Make a link of hardware, as the host has it."""
        self._add(name, **{"kind": "", "mac": LAN_MAC, "mtu": 1500, "up": True, "group": 0, **values})
        return self.by_name[name]

    def into_container(self, name: str) -> ChildLink:
        """Move a child into another namespace, as the engine does."""
        del self.by_name[name]
        child = self.children.pop(name)
        self.children[f"{name} in a container"] = child
        return child

    def tells_vlans(self, bridge: str) -> bool:
        if "vlan_filtering" in self.kinds_it_lacks:
            raise NotSupported(f"look at the VLANs of bridge '{bridge}'")
        return bridge in self.telling

    def vlans_of(self, port: str) -> Vlans:
        return self.tags.get(port, {})

    def add_child(self, child: ChildLink) -> None:
        self.steps.take("add child")
        if child.kind in self.kinds_it_lacks:
            raise NotSupported(f"add {child.kind} '{child.name}': unknown device type")
        parent = self._parent(child.parent)
        beside = [other for other in self.children.values() if other.parent == child.parent]
        if parent.master or any(other.kind != child.kind for other in beside):
            raise InUse(f"add {child.kind} '{child.name}': device or resource busy")
        if beside and "passthru" in {child.variety, *(other.variety for other in beside)}:
            raise KernelError(f"add {child.kind} '{child.name}': invalid argument")
        if child.mtu > parent.mtu:
            raise KernelError(f"add {child.kind} '{child.name}': invalid argument")
        mac = parent.mac if child.variety == "passthru" or child.kind == "ipvlan" else child.mac
        self._add(
            child.name, kind=child.kind, mac=mac, mtu=child.mtu or parent.mtu, alias=child.alias, below=parent.index
        )
        self.children[child.name] = child

    def try_child(self, name: str) -> None:
        self.steps.take("try child")
        child = self.children[name]
        if child.kind == "ipvlan" or child.variety == "passthru":
            return
        others = [other.mac for other in self.children.values() if other is not child and other.parent == child.parent]
        if child.mac in {self._parent(child.parent).mac, *others}:
            raise Exists(f"try link '{name}': address already in use")

    def add_vlan(self, name: str, parent: str, vlan_id: int) -> None:
        self.steps.take("add VLAN")
        if "vlan" in self.kinds_it_lacks:
            raise NotSupported(f"add VLAN '{name}': unknown device type")
        below = self._parent(parent)
        if (parent, vlan_id) in self.vlans:
            raise Exists(f"add VLAN '{name}': file exists")
        self._add(name, kind="vlan", mac=below.mac, mtu=below.mtu)
        self.vlans[parent, vlan_id] = name
        self.below[name] = parent

    def add_stub(self, name: str, mac: str, mtu: int) -> None:
        self.steps.take("add stub")
        self._add(name, kind="dummy", mac=mac, mtu=mtu)

    def link_at(self, index: int) -> Link | None:
        return next((link for link in list(self.by_name.values()) if link.index == index), None)

    def has_kind(self, kind: str) -> bool:
        return kind not in self.kinds_it_lacks

    def is_wireless(self, name: str) -> bool:
        return name in self.wireless

    def rename(self, name: str, to: str) -> None:
        """Give a link another name, as others might; its children stay."""
        link = self.by_name.pop(name)
        self.by_name[to] = Link(**{**{each: getattr(link, each) for each in Link.__slots__}, "name": to})

    def forget_children(self, name: str) -> None:
        """Forget a link that goes, with those upon it and its routes."""
        self.forget_routes(name)
        self.children.pop(name, None)
        self.below.pop(name, None)
        self.vlans = {key: vlan for key, vlan in self.vlans.items() if vlan != name}
        above = [key for key, child in self.children.items() if child.parent == name]
        for other in [*above, *(vlan for vlan, below in list(self.below.items()) if below == name)]:
            self.by_name.pop(other, None)
            self.forget_children(other)

    def _parent(self, name: str) -> Link:
        if name not in self.by_name:
            raise Missing(name)
        return self.by_name[name]
