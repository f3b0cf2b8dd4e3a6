"""VXLAN links of the imaginary host."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from netlink.errors import Exists, KernelError, Missing, NotSupported
from netlink.vxlan import Entry, VxlanLink
from plugin.protocol.messages import Address

if TYPE_CHECKING:
    from tests.fakes import FakeKernel


class FakeTunnels:
    """VXLAN links of the fake host, and the entries of their tables."""

    def __init__(self, kernel: "FakeKernel") -> None:
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
