"""Routes of the imaginary host to containers of other hosts."""

import time
from collections.abc import Collection, Mapping

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
    """All other hosts are on the wire of ``ul0``, but for those in ``ways``."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.ways: dict[Address, FoundRoute | None] = {}
        self.by_metric: dict[int, set[DirectRoute]] = {}
        self.asked = 0

    def way(self, address: Address) -> FoundRoute | None:
        self.asked += 1
        return self.ways.get(address, FoundRoute("ul0", gateway=False))

    def change_routes(
        self, metric: int, add: Collection[DirectRoute], delete: Collection[DirectRoute]
    ) -> Mapping[DirectRoute, KernelError]:
        self._steps.take("change routes")
        replaced = {route.to for route in add}
        kept = {r for r in self.by_metric.get(metric, set()) if r not in delete and r.to not in replaced}
        self.by_metric[metric] = kept | set(add)
        return {}

    def routes(self, metric: int) -> set[DirectRoute]:
        return set(self.by_metric.get(metric, ()))

    def listen(self) -> "FakeBell":
        return FakeBell()

    def close(self) -> None:
        """Nothing is open."""
