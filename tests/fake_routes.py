"""Routes of the imaginary host to containers of other hosts."""

import time
from collections.abc import Collection, Iterable, Mapping

from netlink.direct_routes import DirectRoute, FoundRoute
from netlink.errors import KernelError
from plugin.protocol.messages import Address
from tests.fake_sockets import Steps


class FakeBell:
    """Never rings."""

    def wait(self, seconds: float, links: Collection[str]) -> frozenset[str]:
        del links
        time.sleep(min(seconds, 0.05))
        return frozenset()

    def close(self) -> None:
        """Nothing is open."""


class FakeRoutes:
    """All other hosts are on the wire of ``ul0``, but for those in ``known``."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.known: dict[Address, FoundRoute | None] = {}
        self.by_metric: dict[int, set[DirectRoute]] = {}
        self.announced: list[tuple[str, str, Address]] = []
        self.asked = self.listings = 0
        self.fails = False  # every question

    def ways(self, addresses: Iterable[Address]) -> dict[Address, FoundRoute]:
        if self.fails:
            raise KernelError("look up routes to other hosts: no buffer space available")
        asked = list(addresses)
        self.asked += len(asked)
        found = {address: self.known.get(address, FoundRoute("ul0", gateway=False)) for address in asked}
        return {address: way for address, way in found.items() if way}

    def change_routes(
        self, metric: int, add: Collection[DirectRoute], delete: Collection[DirectRoute]
    ) -> Mapping[DirectRoute, KernelError]:
        self._steps.take("change routes")
        replaced = {route.to for route in add}
        kept = {r for r in self.by_metric.get(metric, set()) if r not in delete and r.to not in replaced}
        self.by_metric[metric] = kept | set(add)
        return {}

    def routes(self) -> Mapping[int, set[DirectRoute]]:
        self.listings += 1
        return {metric: set(routes) for metric, routes in self.by_metric.items() if routes}

    def announce(self, link: str, mac: str, addresses: Iterable[Address]) -> None:
        self.announced += [(link, mac, address) for address in addresses]

    def listen(self) -> "FakeBell":
        return FakeBell()

    def close(self) -> None:
        """Nothing is open."""
