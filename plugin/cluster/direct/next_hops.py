"""Remembers how the kernel reaches other hosts, until the host's routes change."""

import threading
from collections.abc import Collection, Mapping

from netlink.direct_routes import FoundRoute
from netlink.errors import KernelError
from plugin.cluster.direct.hops import Hops, HostPlace, hop_to
from plugin.interfaces import DirectRoutes
from plugin.protocol.messages import Address


class NextHops:
    """Asks the kernel once about each host, until ``refresh``. All networks of this host share it."""

    def __init__(self, routes: DirectRoutes) -> None:
        self.routes = routes
        self._guard = threading.Lock()  # guards both below
        self._known: Mapping[Address, FoundRoute | None] = {}
        self._age = 0  # how often all was asked again

    def towards(self, places: Collection[HostPlace]) -> Hops:
        """Return the next hops towards those hosts that the kernel reaches; raises ``KernelError``."""
        with self._guard:
            known, age = self._known, self._age
        new = {place.address for place in places} - known.keys()
        if new:
            known = {**known, **self._ask(new)}
            with self._guard:
                if age == self._age:
                    self._known = {**self._known, **known}
        ways = ((place, known[place.address]) for place in places)
        return {place.address: hop_to(place, way) for place, way in ways if way}

    def refresh(self) -> bool:
        """Ask about all hosts again, as routes or links of the host have changed; return whether any answer may differ.

        A host may change routes often that have nothing to do with other hosts.
        """
        with self._guard:
            before, self._known, self._age = self._known, {}, self._age + 1
            age = self._age
        try:
            now = self._ask(before)
        except KernelError:
            return True  # whoever needs them asks
        with self._guard:
            if age == self._age:
                self._known = {**now, **self._known}
        return now != before

    def _ask(self, addresses: Collection[Address]) -> Mapping[Address, FoundRoute | None]:
        found = self.routes.ways(addresses)
        return {address: found.get(address) for address in addresses}
