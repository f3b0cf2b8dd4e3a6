"""Remembers how the kernel reaches other hosts, and forgets it when the host's routes change."""

import threading
from collections.abc import Iterable

from netlink.direct_routes import FoundRoute
from plugin.cluster.direct.hops import Hops, HostPlace, hop_to
from plugin.interfaces import DirectRoutes
from plugin.protocol.messages import Address


class NextHops:
    """Asks the kernel once for each host until ``forget``. Every verb may raise ``KernelError``."""

    def __init__(self, routes: DirectRoutes) -> None:
        self.routes = routes
        self._guard = threading.Lock()  # guards both below
        self._known: dict[Address, FoundRoute | None] = {}
        self._age = 0  # how often everything was forgotten

    def forget(self) -> None:
        """Ask again: routes or links of the host have changed."""
        with self._guard:
            self._known, self._age = {}, self._age + 1

    def towards(self, places: Iterable[HostPlace]) -> Hops:
        """Return the next hops towards those of the hosts that are on a segment with this one."""
        found = ((place.address, hop_to(place, self._way(place.address))) for place in places)
        return {address: hop for address, hop in found if hop}

    def _way(self, address: Address) -> FoundRoute | None:
        with self._guard:
            if address in self._known:
                return self._known[address]
            age = self._age
        way = self.routes.way(address)
        with self._guard:
            if age == self._age:
                self._known[address] = way
        return way
