"""The other hosts that share networks with this one, as a takeover needs them."""

from collections.abc import Callable, Mapping

from plugin.cluster.hosts.living import LivingHosts
from plugin.cluster.overlay.watching import Watching


class SharingHosts:
    """Implements ``plugin.cluster.takeover.waiting.Others`` by the records that this host follows anyway."""

    def __init__(self, living: LivingHosts, watching: Watching) -> None:
        self._living = living
        self._watching = watching

    def watch(self) -> Callable[[], None]:
        """Watch which hosts are alive from now on, and return the function that ends it."""
        return self._living.watch()

    def since(self, host: str) -> float | None:
        """Return the seconds for which a host has been gone, None for one that may be alive."""
        return self._living.since(host)

    def asking(self, network: str) -> Mapping[str, int]:
        """Return the hosts that have a network, by id, and their times of takeover in seconds."""
        records = self._watching.of(network)
        return records.takeovers() if records else {}
