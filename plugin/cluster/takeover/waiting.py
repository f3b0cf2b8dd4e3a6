"""Waits until a dead host may be taken over in the networks of this host that ask for it."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import structlog

from netlink.values import dataclass
from plugin.background.loop import Loop
from plugin.cluster.takeover.taking import Death, Taking
from plugin.model.records import Network
from plugin.protocol.messages import Countdown
from plugin.store.base import LocalStore, StoreConflict

log = structlog.get_logger()

TICK = 5.0  # seconds between two looks at the hosts, which ask the store nothing while all are alive
IDLE = 30.0  # the same while no network asks for takeover
SPREAD = 5.0  # seconds, at most, that hosts wait longer, so that not all of them begin at once


class Others(Protocol):
    """The other hosts."""

    def watch(self) -> Callable[[], None]:
        """Watch them from now on, and return the function that ends it."""

    def since(self, host: str) -> float | None:
        """Return the seconds for which a host has been gone, None for one that may be alive."""

    def asking(self, network: str) -> Mapping[str, int]:
        """Return the hosts that have a network, by id, and their times of takeover: 0 for one that knows none."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock in seconds, ``chance``, which draws lots from 0 to 1, and the real seconds between two looks."""

    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    tick: float = TICK


@dataclass(frozen=True, slots=True)
class _Wait:
    """The ``death`` of a host was read at ``begun``; this host waits ``more`` seconds than it has to."""

    death: Death
    begun: float
    more: float

    @property
    def name(self) -> str:
        return self.death.known.record.name


class Takeover:
    """Looks at the members of the networks in ``local``, this host's own store."""

    def __init__(self, local: LocalStore, others: Others, taking: Taking, timing: Timing = Timing()) -> None:  # noqa: B008 - it is frozen
        self._local = local
        self._others = others
        self._taking = taking
        self._timing = timing
        self._revision = -1
        self._after: Mapping[str, int] = {}  # seconds, by the name of the network
        # By network and host, as networks have different times; replaced whole, so that other threads can read it.
        self._waits: dict[tuple[str, str], _Wait] = {}
        self.done = 0  # dead hosts that this one has taken over
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
        self._note_dead()
        due: dict[str, list[str]] = {}
        for countdown in self.countdowns():
            if countdown.left <= 0:
                due.setdefault(countdown.host, []).append(countdown.network)
        for host, networks in due.items():
            taken = [self._take(network, host) for network in networks]
            self.done += any(taken)

    def countdowns(self) -> Sequence[Countdown]:
        """Return the takeovers that this host waits for; another host may be quicker by ``SPREAD`` or ``TICK``."""
        waits, now = self._waits, self._timing.clock()
        return [
            Countdown(host, wait.name, network, gone, max(0.0, after + wait.more - min(gone, now - wait.begun)))
            for network, host, after in self._asking()
            if (wait := waits.get((network, host))) and (gone := self._others.since(host)) is not None
        ]

    def _take(self, network: str, host: str) -> bool:
        """Take a host over in a network, and return whether that was possible; wait anew if the host is still there."""
        wait = self._waits[network, host]
        self._waits = {of: other for of, other in self._waits.items() if of != (network, host)}
        try:
            self._taking.take(wait.death, network)
        except StoreConflict as error:
            log.info("takeover ended", network=network, reason=str(error))
            return False
        return True

    def _asking(self) -> Iterator[tuple[str, str, int]]:
        """Return networks and the hosts that want to be taken over in them, with the seconds.

        An earlier pynet does not know that it must end a takeover when it returns, so it is left alone.
        """
        for network, after in self._after.items():
            for host, theirs in self._others.asking(network).items():
                if theirs:
                    yield network, host, after

    def _note_dead(self) -> None:
        """Begin to wait for hosts that are dead now, and end it for those that are back."""
        waits, deaths = dict[tuple[str, str], _Wait](), dict[str, Death | None]()
        for network, host, _ in self._asking():
            if self._others.since(host) is None:
                continue
            wait = self._waits.get((network, host))
            if not wait and host not in deaths:
                deaths[host] = self._taking.death(host)
            if not wait and (death := deaths[host]):
                wait = _Wait(death, self._timing.clock(), self._timing.chance() * SPREAD)
            if wait:
                waits[network, host] = wait
        self._waits = waits

    def _read_networks(self) -> None:
        """Read the networks of this host, if any record of it has changed, and watch the hosts only if one asks."""
        revision = self._local.revision()
        if revision == self._revision:
            return
        overlays = [item.record.overlay for item in self._local.list(Network)]
        self._after = {overlay.network: overlay.takeover for overlay in overlays if overlay and overlay.takeover}
        self._revision = revision
        if self._after and self._end is None:
            self._end = self._others.watch()
        elif not self._after and self._end is not None:
            self._end()
            self._end = None

    def _due(self) -> bool | None:
        """Wait for the next look; the first one is at once."""
        pause = 0.0 if self._revision < 0 else self._timing.tick if self._after else IDLE
        return None if self._stopped.wait(pause) else True
