"""The document of ``pynet page``: networks, endpoints and ports, and after the first one only their changes.

A page asks every few seconds. While nothing changed, an answer reads one number from the store, whatever the number of
networks; after a change it reads the keys of all records, and decodes those alone that were written since.
"""

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from cli.server.reports import network_report
from netlink.ip import Address
from netlink.values import dataclass
from plugin.engine.names import SHORT, Names
from plugin.firewall.elements import PROTOCOLS
from plugin.interfaces import Statistics
from plugin.model.names import HOST_END, host_end, host_link_name
from plugin.model.records import Endpoint, Network, Published
from plugin.protocol.messages import InterfaceAddress
from plugin.store.base import LocalStore

PAUSE = 2.0  # seconds between two questions of a page, at least
SHARE = 0.007  # of one core that overviews may take; sending them, states and drops take a third more
NEVER = -1  # before the first revision of a store, and before the first names


def pause_after(cost: float) -> float:
    """Return the seconds until the next question, after an answer that took ``cost`` seconds of CPU."""
    return max(PAUSE, cost / SHARE)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The state that a page has: of one run of pynet, a revision of the store, and a version of the names."""

    run: str
    revision: int = NEVER
    names: int = NEVER

    @staticmethod
    def read(text: str, run: str) -> "Cursor":
        """Return a cursor; one of another run, or that cannot be read, asks for everything."""
        of, _, numbers = text.partition(".")
        revision, _, names = numbers.partition(".")
        if of == run and revision.isdecimal() and names.isdecimal():
            return Cursor(run, int(revision), int(names))
        return Cursor(run)

    def __str__(self) -> str:
        return f"{self.run}.{self.revision}.{self.names}"


class Overview:
    """Answers pages; ``statistics`` has the kernel's counters, and ``clock`` seconds that never go back."""

    def __init__(
        self, store: LocalStore, names: Names, statistics: Statistics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._names = names
        self._statistics = statistics
        self._clock = clock
        self._run = secrets.token_hex(4)
        self._ends: Collection[str] = ()  # short ids of all endpoints, as of the last change
        self._nameless: Collection[str] = ()  # those whose containers have no name yet

    def since(self, cursor: str) -> Mapping[str, Any]:
        """Return the changes since ``cursor``, or everything if it is empty (spec/cli/overview.json)."""
        begin = time.thread_time()
        known = Cursor.read(cursor, self._run)
        revision, names = self._store.revision(), self._names.shown()
        found: dict[str, Any] = {"networks": [], "endpoints": [], "present": None, "names": None}
        if revision != known.revision:
            found |= self._changes(known.revision)
            self._ends = self._nameless = found["present"]["endpoints"]
        self._nameless = [end for end in self._nameless if end not in names.containers]
        if self._nameless:
            self._names.expect()
        if names.version != known.names:
            found["names"] = {"networks": names.networks, "containers": names.containers}
        found["traffic"] = self._traffic()
        whole, now = known.revision == NEVER, Cursor(self._run, revision, names.version)
        pause = PAUSE if whole else pause_after(time.thread_time() - begin)
        return {"cursor": str(now), "whole": whole, "pause": pause, **found}

    def _traffic(self) -> dict[str, Any]:
        """Return bytes to each container, bytes from it, and dropped packets; its link counts the other way round."""
        counts = self._statistics.links(map(host_link_name, self._ends))
        found = {
            name.removeprefix(HOST_END): [one.tx_bytes, one.rx_bytes, one.tx_dropped + one.rx_dropped]
            for name, one in counts.items()
        }
        return {"time": self._clock(), "endpoints": found}

    def _changes(self, revision: int) -> dict[str, Any]:
        ends, changed = self._store.since(Endpoint, revision)
        networks, made = self._store.since(Network, revision)
        short = [key.partition("/")[2][:SHORT] for key in ends]
        return {
            "networks": [_network(item.record) for item in made],
            "endpoints": [_endpoint(item.record) for item in changed],
            "present": {"networks": [key[:SHORT] for key in networks], "endpoints": short},
        }


def _network(network: Network) -> dict[str, Any]:
    report = network_report(network, ())
    subnets = [{"subnet": str(one.subnet), "gateway": _text(one.gateway)} for one in report.subnets]
    return {
        "id": report.id,
        "mode": report.mode,
        "link": report.link,
        "internal": report.internal,
        "mtu": report.mtu,
        "guarded": report.guarded,
        "shared_as": report.shared_as,
        "vni": report.vni,
        "subnets": subnets,
        "options": dict(report.options),
        "changes": dict(report.changes),
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "network": endpoint.network_id,
        "link": host_end(endpoint),
        "mac_address": endpoint.mac,
        "ipv4": _text(endpoint.ipv4),
        "ipv6": _text(endpoint.ipv6),
        "guarded": endpoint.readable_settings.guard,
        "options": dict(endpoint.driver_opts),
        "changes": dict(endpoint.changes),
        "ports": _ports(endpoint.published),
    }


def _ports(published: Sequence[Published]) -> list[dict[str, Any]]:
    return [
        {
            "proto": PROTOCOLS[port.proto],
            "host_ip": _text(port.host),
            "host_port": port.host_port,
            "container_ip": str(port.target),
            "container_port": port.port,
        }
        for port in published
    ]


def _text(address: Address | InterfaceAddress | None) -> str:
    return "" if address is None else str(address)
