"""Adds up the traffic of endpoints by network, so that the sum never shrinks when an endpoint goes."""

from collections.abc import Mapping

from netlink.link_traffic import LinkTraffic

NOTHING = LinkTraffic()


class Totals:
    """Sums of what links carried since the first call of ``add``; it belongs to one thread at a time.

    The first call adds nothing: after a restart a sum that began with all that links ever carried would look like
    traffic of this moment. Whatever a link carried between its last reading and its end is missing.
    """

    def __init__(self) -> None:
        self._last: Mapping[str, LinkTraffic] | None = None  # by link
        self._sums: dict[str, LinkTraffic] = {}  # by network

    def add(self, owners: Mapping[str, str], now: Mapping[str, LinkTraffic]) -> None:
        """Add new traffic: ``owners`` has the network of each link, and ``now`` the counters of links that exist."""
        last = now if self._last is None else self._last
        sums = {network: self._sums.get(network, NOTHING) for network in owners.values()}
        for link, traffic in now.items():
            more = _since(last.get(link, NOTHING), traffic)
            if any(more):
                network = owners[link]
                sums[network] = LinkTraffic(*(before + new for before, new in zip(sums[network], more, strict=True)))
        self._last = now
        self._sums |= sums

    def keep(self, networks: Mapping[str, object]) -> None:
        """Forget all networks but these."""
        self._sums = {network: total for network, total in self._sums.items() if network in networks}

    def of(self, network: str) -> LinkTraffic:
        """Return the sum of a network."""
        return self._sums.get(network, NOTHING)


def _since(before: LinkTraffic, now: LinkTraffic) -> tuple[int, ...]:
    """Return the difference; of a link that was made again, whose counters begin at 0, all that it has."""
    if any(new < old for old, new in zip(before, now, strict=True)):
        return now
    return tuple(new - old for old, new in zip(before, now, strict=True))
