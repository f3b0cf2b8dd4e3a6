"""Several hosts in one test: each a thread with a network namespace and a driver of its own, on one underlay."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, TypeVar, cast

from cli.server.cluster import resume
from netlink.vxlan import Entry
from plugin.cluster.overlay.presence import ClusterView
from plugin.cluster.secrecy.means import Means
from plugin.model.names import vxlan_name
from plugin.protocol.messages import CreateNetwork, EndpointRef
from plugin.store.base import LocalStore, Record, Remove, SharedStore, Store, StoreAway
from plugin.store.memory import MemoryStore
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import Elsewhere
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

T = TypeVar("T")
MakeHosts = Callable[..., "list[OverlayHost]"]
SOON = 30.0  # seconds within which a change must be seen by other hosts; the kernel looks for addresses one by one


class AtOnce:
    """Removes from a store that is never away."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take_back(self, *records: Record) -> bool:
        """Remove records that are exactly these."""
        there = [(record, self._store.get(type(record), record.key)) for record in records]
        mine = [record for record, found in there if found is not None and found.record == record]
        self._store.transact(*(Remove(type(record), record.key) for record in mine))
        return True

    def keep(self, *records: Record) -> None:
        """Nothing waits."""


class Cable:
    """The way to the store that hosts share, which can be cut."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            raise StoreAway("ask the store: no server answered")
        return getattr(self._store, name)


class OverlayPynet(Pynet):
    """pynet on the store ``cluster`` that hosts share and on ``store`` of this host."""

    def __init__(self, cluster: ClusterView, store: LocalStore, means: Means) -> None:
        super().__init__(store, cluster=cluster, means=means)
        self.reconciler.recover()
        resume(self, store)

    def close(self) -> None:
        """Close what belongs to threads."""
        self.secrets.stop()
        self.peers.stop()
        super().close()


class OverlayHost:
    """A host of an underlay; ``do`` runs something in its network namespace."""

    def __init__(self, cluster: Store, number: int, prefix: str, mtu: int) -> None:
        self.name = f"h{number}"
        self.address = f"{prefix}{number}"
        self._place = Elsewhere(self.name)
        tid = self.do(threading.get_native_id)
        sh(f"ip link add {self.name} mtu {mtu} type veth peer name ul0 mtu {mtu} netns {tid}")
        sh(f"ip link set {self.name} master sw0 up")
        length, nodad = ("/64", " nodad") if ":" in prefix else ("/24", "")
        self.sh(f"ip link set lo up; ip addr add {self.address}{length} dev ul0{nodad}; ip link set ul0 up")
        assert soon(lambda: "fe80::" in self.sh("ip -6 addr show dev ul0"))  # the kernel gives it a moment later
        self.dead: set[str] = set()
        alive = lambda host: host not in self.dead  # noqa: E731
        self.cable = Cable(cluster)
        self._cluster = ClusterView(
            cast("SharedStore", self.cable), AtOnce(cluster), alive, self.name, ip_address(self.address)
        )
        self._store, self.means = MemoryStore(), Means()
        self.containers: list[Container] = []
        self.restart()

    def do(self, call: Callable[[], T]) -> T:
        """Run ``call`` in the host's namespace."""
        return self._place.do(call)

    def sh(self, command: str) -> str:
        """Run a shell command in the host's namespace."""
        return self.do(lambda: sh(command))

    def create(self, request: CreateNetwork) -> None:
        """Create a network."""
        self.do(lambda: self.pynet.driver.create_network(request))

    def move(self, address: str) -> None:
        """Be reached by the others at ``address`` from the next start on."""
        self._cluster = replace(self._cluster, address=ip_address(address))

    def crash(self) -> None:
        """End pynet; whatever it made stays."""
        self.do(self.pynet.close)

    def restart(self) -> None:
        """Start pynet on what it knew."""
        self.pynet = self.do(lambda: OverlayPynet(self._cluster, self._store, self.means))

    def run(self, network_id: str, number: int, endpoint: str = "", **driver_opts: str) -> Container:
        """Start a container with the address .NUMBER (and ::NUMBER) and the id ``endpoint``, or NUMBER again."""
        container = Container()
        self.containers.append(container)
        self.do(lambda: self.pynet.attach(container, network_id, number, endpoint, **driver_opts))
        return container

    def publish(self, network_id: str, number: int, port: str) -> None:
        """Publish port 7777 of that container."""
        self.do(lambda: self.pynet.publish(EndpointRef(network_id, f"{number:02x}" * 32), port))

    def mac(self, network_id: str) -> str:
        """Return the MAC of a network's bridge."""
        return self.sh(f"ip -o link show pn-{network_id[:12]} | grep -o 'ether [^ ]*'").split()[1]

    def stop(self, network_id: str, number: int) -> None:
        """Delete the endpoint of that container."""
        self.do(lambda: self.pynet.driver.delete_endpoint(EndpointRef(network_id, f"{number:02x}" * 32)))

    def entries(self, network_id: str = rq.NETWORK_ID) -> set[Entry]:
        """Return what stands in the kernel's tables of a network."""
        return self.do(lambda: self.pynet.tunnels.entries(f"pn-{network_id[:12]}", vxlan_name(network_id)))

    def members(self, network_id: str = rq.NETWORK_ID) -> int:
        """Return from how many hosts the firewall accepts frames of a network."""
        owned = self.pynet.firewall.owners().get(vxlan_name(network_id))
        return len(owned.elements) if owned else 0

    def end(self) -> None:
        """End containers, driver and thread; the namespace goes with them."""
        for container in self.containers:
            container.end()
        self.do(self.pynet.close)
        self._place.end()


def soon(condition: Callable[[], bool]) -> bool:
    """Say whether something comes true in time."""
    end = time.monotonic() + SOON
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
