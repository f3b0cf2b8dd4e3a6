"""Waits until a dead host may be taken over in the networks of this host that ask for it."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from netlink.values import dataclass
from plugin.background.loop import Loop
from plugin.cluster.hosts.records import KnownHost
from plugin.cluster.takeover.taking import Taking
from plugin.model.records import Network
from plugin.store.base import LocalStore, StoreConflict, Versioned

log = structlog.get_logger()

TICK = 5.0  # seconds between two looks at the hosts, which ask the store nothing while all are alive
IDLE = 30.0  # the same while no network asks for takeover
SPREAD = 5.0  # seconds, at most, that hosts wait longer, so that not all of them begin at once


class Living(Protocol):
    """Which hosts are alive (``plugin.cluster.hosts.living``)."""

    def listen(self, heard: Callable[[str], object]) -> Callable[[], None]:
        """Watch from now on, and return the function that ends it."""

    def since(self, host: str) -> float | None:
        """Return the seconds for which a host has been gone, None for one that may be alive."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """``known`` was read while the host was dead, at ``begun``; this host waits ``more`` seconds than it has to."""

    known: Versioned[KnownHost]
    begun: float
    more: float


class Takeover:
    """Looks at the members of networks; ``others`` returns the ids of the other hosts that have a network."""

    def __init__(
        self,
        local: LocalStore,
        living: Living,
        others: Callable[[str], set[str]],
        taking: Taking,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._local = local
        self._living = living
        self._others = others
        self._taking = taking
        self._chance = chance
        self._clock = clock
        self._revision = -1
        self._after: Mapping[str, int] = {}  # seconds, by the name of the network
        self._waits: dict[str, _Wait] = {}
        self._end: Callable[[], None] | None = None
        self._stopped = threading.Event()

    def start(self) -> Loop[bool]:
        """Start the thread, and return it."""
        return Loop("takeover", self._due, lambda _due: self.look()).start()

    def stop(self) -> None:
        """End the thread and the watch."""
        self._stopped.set()
        if self._end:
            self._end()

    def look(self) -> None:
        """Take over the hosts for which it is time; raises ``StoreAway``."""
        self._read_networks()
        wanted: dict[str, list[str]] = {}
        for network, after in self._after.items():
            for host in self._others(network):
                if self._is_time(host, after):
                    wanted.setdefault(host, []).append(network)
        for host, networks in wanted.items():
            wait = self._waits.pop(host)
            try:
                self._taking.take(wait.known, networks)
            except StoreConflict as error:
                log.info("takeover ended", reason=str(error))
        self._waits = {host: wait for host, wait in self._waits.items() if self._living.since(host) is not None}

    def _is_time(self, host: str, after: int) -> bool:
        gone = self._living.since(host)
        if gone is None:
            self._waits.pop(host, None)
            return False
        wait = self._waits.get(host)
        if wait is None:
            known = self._taking.known(host)
            if known is not None:
                self._waits[host] = _Wait(known, self._clock(), self._chance() * SPREAD)
            return False
        return min(gone, self._clock() - wait.begun) >= after + wait.more

    def _read_networks(self) -> None:
        """Read the networks of this host, if any record of it has changed, and watch the hosts only if one asks."""
        revision = self._local.revision()
        if revision == self._revision:
            return
        overlays = [item.record.overlay for item in self._local.list(Network)]
        self._after = {overlay.network: overlay.takeover for overlay in overlays if overlay and overlay.takeover}
        self._revision = revision
        if self._after and self._end is None:
            self._end = self._living.listen(lambda _host: None)
        elif not self._after and self._end is not None:
            self._end()
            self._end = None

    def _due(self) -> bool | None:
        return None if self._stopped.wait(TICK if self._after else IDLE) else True
