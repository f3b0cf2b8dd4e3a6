"""The networks of the host that keep pools away: listed once, and kept up with those that came since.

The kernel does not say of every route that it went, so networks that went are kept until no pool is left otherwise.
"""

import threading
from collections.abc import Sequence

from netlink.errors import KernelError
from plugin.errors import Failed
from plugin.interfaces import HostNetworks
from plugin.ipam.intervals import Intervals
from plugin.ipam.supernets import Supernet, WantedPool, bounds, find_pool
from plugin.protocol.messages import Subnet

MOST = 10_000  # networks that came, after which all are listed again


class HostSubnets:
    """Finds a pool that is clear of the host's networks. May be used from any thread."""

    def __init__(self, host: HostNetworks, supernets: Sequence[Supernet]) -> None:
        self._host = host
        self._supernets = supernets
        self._guard = threading.Lock()  # guards everything below
        self._known = {4: Intervals(), 6: Intervals()}
        self._came = 0

    def hear(self) -> None:
        """Note the networks that came since the last call; raises ``Failed``."""
        with self._guard:
            try:
                came = self._host.new_in_use(self._within)
            except KernelError as error:
                raise _failed(error) from error
            if came is None or self._came > MOST:
                self._list()
            else:
                self._came += len(came)
                self._add(came)

    def list_again(self) -> Sequence[Subnet]:
        """List the networks among the supernets, and return them; raises ``Failed``."""
        with self._guard:
            return self._list()

    def find(self, wanted: WantedPool, taken: Intervals, last: Subnet | None) -> Subnet | None:
        """Return a pool as ``find_pool`` does, which is not ``taken`` either."""
        with self._guard:
            return find_pool(self._supernets, wanted, [taken, self._known[wanted.version]], last)

    @property
    def _within(self) -> Sequence[Subnet]:
        """The ranges of the supernets; networks of the host outside of them do not matter."""
        return [supernet.network for supernet in self._supernets]

    def _list(self) -> Sequence[Subnet]:
        try:
            listed = self._host.in_use(self._within)
        except KernelError as error:
            raise _failed(error) from error
        self._known, self._came = {4: Intervals(), 6: Intervals()}, 0
        self._add(listed)
        return listed

    def _add(self, networks: Sequence[Subnet]) -> None:
        for network in networks:
            self._known[network.version].add(*bounds(network))


def _failed(error: KernelError) -> Failed:
    return Failed(f"look for a free pool: {error}")
