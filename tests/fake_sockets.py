"""The counter of steps of all fakes, and the ports and flows of a fake host."""

from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address
from itertools import count

from netlink.conntrack import TrackedFlow, UdpPort
from netlink.errors import Exists, KernelError, Missing
from netlink.port_sockets import PortSocket
from plugin.protocol.messages import Address
from plugin.publish.book import WantedSocket, collisions


class Steps:
    """Counts the steps of every fake; step number ``fail_at`` raises, and so do all from ``broken_from`` on."""

    def __init__(self) -> None:
        self.count = 0
        self.fail_at = self.broken_from = 0

    def take(self, what: str) -> None:
        """Count one step."""
        self.count += 1
        if self.count == self.fail_at or 0 < self.broken_from <= self.count:
            raise KernelError(f"{what}: simulated failure at step {self.count}")


class FakeSockets:
    """Ports of the imaginary host; addresses that it does not have are 192.0.2.0/24."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._ephemeral = count(32768)
        self.taken: set[tuple[int, str, int]] = set()
        self._dual: set[tuple[int, str, int]] = set()  # those of them that are of both families
        self._keys: dict[int, tuple[PortSocket, tuple[int, str, int]]] = {}
        self.relayed: dict[tuple[int, str, int], str] = {}
        self.most = 1 << 20

    @property
    def held(self) -> int:
        return len(self.taken)

    @held.setter
    def held(self, _: int) -> None:
        raise NotImplementedError

    def hold(
        self,
        proto: int,
        address: Address,
        port: int,
        relay_to: tuple[Address, int] | None = None,
        *,
        dual: bool = False,
    ) -> PortSocket:
        self._steps.take("hold a port")
        if str(address).startswith("192.0.2."):
            raise Missing(str(address))
        key = (proto, str(address), port or next(self._ephemeral))
        if any(collisions(WantedSocket(proto, address, key[2], dual=dual), self.users(proto, key[2]))):
            raise Exists(f"hold port {port} of {address}: address already in use")
        self.taken.add(key)
        if dual:
            self._dual.add(key)
        hold = PortSocket(key[2], None, (str(relay_to[0]), relay_to[1]) if relay_to else None, dual)
        self._keys[id(hold)] = hold, key
        return hold

    def users(self, proto: int, port: int) -> Iterable[Address]:
        for key in sorted(self.taken):
            if (key[0], key[2]) == (proto, port):
                yield from WantedSocket(proto, ip_address(key[1]), port, dual=key in self._dual).addresses

    def serve(self, ports: Iterable[PortSocket]) -> None:
        for hold in ports:
            if hold.relay_to:
                self.relayed[self._keys[id(hold)][1]] = f"{hold.relay_to[0]} {hold.relay_to[1]}"

    def release(self, ports: Iterable[PortSocket]) -> None:
        for hold in ports:
            key = self._keys.pop(id(hold))[1]
            self.taken.remove(key)
            self._dual.discard(key)


class FakeConntrack:
    """Remembers the ports whose flows were to be forgotten."""

    def __init__(self) -> None:
        self.forgotten: list[set[UdpPort]] = []
        self.flows: list[TrackedFlow] = []
        self.error: KernelError | None = None

    def forget_udp(self, ports: Collection[UdpPort]) -> int:
        self.forgotten.append(set(ports))
        return 0

    def forget(self, doomed: Callable[[TrackedFlow], bool]) -> int:
        if self.error:
            raise self.error
        before = len(self.flows)
        self.flows = [flow for flow in self.flows if not doomed(flow)]
        return before - len(self.flows)
