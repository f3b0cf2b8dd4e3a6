"""Answers who was refused what and why, and logs containers that send as somebody else, each at most once a minute."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from netlink.errors import KernelError
from plugin.background.loop import Loop
from plugin.background.share import pause_after
from plugin.engine.names import Known
from plugin.errors import PynetError
from plugin.firewall.reasons import BY_NAME, REMEMBERED
from plugin.interfaces import Counters
from plugin.model.records import Endpoint, Network
from plugin.observe.tallies import Owners, Tallies, Tally, owners
from plugin.protocol.drop_messages import DropEnd, DroppedPackets, DropReport
from plugin.protocol.messages import Drop
from plugin.store.base import Store

log = structlog.get_logger()

PERIOD = 30.0  # seconds between two readings of the counters, at least
SHARE = 0.001  # of a core that readings may take while nobody asks
LONGEST = REMEMBERED / 2  # seconds between two readings, at most: the kernel forgets
SOON = 0.5  # seconds that a caller waits for a fresh reading
SILENCE = 60.0  # seconds between two lines about one link
Names = Callable[[], Known]


class Drops:
    """Reads the counters of pynet's tables ``table``; every method may be called from any thread."""

    def __init__(
        self, counters: Counters, store: Store, table: str, names: Names, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._names = names
        self._clock = clock
        self._answer = threading.Condition()  # guards the three below
        self._asked = self._answered = 0  # callers so far, and callers with an answer
        self._known: Sequence[Drop] = ()  # the last answer
        self._rings = threading.Event()
        self._tell_at = time.monotonic() + PERIOD
        self._guard = threading.Lock()  # guards everything below
        self._tallies = Tallies(counters, table, clock)
        self._untold: dict[str, Counter[str]] = {}  # frames not yet logged, by link and reason
        self._told_at: dict[str, float] = {}  # when a link was last logged

    def start(self) -> Loop[bool]:
        """Read the counters now and then, in a thread."""
        return Loop("drops", self._wait, lambda _: self._look()).start()

    def known(self, seconds: float = SOON) -> Sequence[Drop]:
        """Return the result of ``by_network``, or an earlier one if a fresh one takes longer than ``seconds``."""
        with self._answer:
            self._asked += 1
            mine = self._asked
            self._rings.set()
            self._answer.wait_for(lambda: self._answered >= mine, seconds)
            return self._known

    def by_network(self) -> Sequence[Drop]:
        """Return the packets that were dropped since the start, by network ("" for none) and reason.

        Raises:
            KernelError, PynetError: the counters or the records cannot be read.
        """
        total: Counter[tuple[str, str]] = Counter()
        for tally in self._current():
            if not tally.is_part:
                total[tally.network, tally.reason.name] += tally.packets
        return [Drop(network, reason, frames) for (network, reason), frames in sorted(total.items())]

    def by_endpoint(self) -> Sequence[DroppedPackets]:
        """Return the same by endpoint too: of the container that the rules were about, "" where it is not known.

        Raises:
            KernelError, PynetError: the counters or the records cannot be read.
        """
        found: Counter[tuple[str, str, str]] = Counter()
        for tally in self._current():
            endpoint = tally.receiver if tally.reason.by_target else tally.sender
            if endpoint or not tally.is_part:
                found[tally.network, tally.reason.name, endpoint] += tally.packets
            if endpoint and tally.is_part:
                found[tally.network, tally.reason.name, ""] -= tally.packets
        return [DroppedPackets(*key, packets) for key, packets in sorted(found.items()) if packets > 0]

    def reports(self) -> Sequence[DropReport]:
        """Return who was refused what: the newest last.

        Raises:
            KernelError, PynetError: the counters or the records cannot be read.
        """
        tallies = self._current()
        known = {(tally.reason, tally.link) for tally in tallies if tally.is_part}
        shown = [tally for tally in tallies if tally.is_part or (tally.reason, tally.link) not in known]
        return [_report(tally) for tally in sorted(shown, key=lambda tally: tally.last)]

    def tell(self) -> None:
        """Read the counters, and log the links whose frames the guard dropped, and why."""
        with self._guard:
            self._read()
            due = self._due()
            ports = self._owners().ports if due else {}
        names = self._names() if due else Known()
        for link, reasons in due.items():
            network, endpoint = ports.get(link, ("", ""))
            log.warning(
                "guard dropped frames",
                container=names.containers.get(endpoint) or endpoint[:12] or link,
                network=names.networks.get(network) or network[:12],
                frames=dict(reasons),
                why="; ".join(BY_NAME[reason].sentence for reason in reasons),
                hint="; ".join(dict.fromkeys(BY_NAME[reason].opens for reason in reasons)),
            )

    def answer(self) -> None:
        """Read the counters for the callers that wait in ``known``; if that fails they get the earlier result."""
        with self._answer:
            asked, drops = self._asked, self._known
        try:
            drops = self.by_network()
        except (KernelError, PynetError) as error:
            log.warning("dropped packets not read", error=str(error))
        with self._answer:
            self._answered, self._known = asked, drops
            self._answer.notify_all()

    def _wait(self) -> bool:
        self._rings.wait(max(0.0, self._tell_at - time.monotonic()))
        self._rings.clear()
        return True

    def _look(self) -> None:
        with self._answer:
            asked = self._asked > self._answered
        if asked:
            self.answer()
        if time.monotonic() >= self._tell_at:
            began = time.thread_time()
            self._tell_at = time.monotonic() + PERIOD
            self.tell()
            self._tell_at = time.monotonic() + pause_after(time.thread_time() - began, SHARE, PERIOD, LONGEST)

    def _current(self) -> list[Tally]:
        with self._guard:
            self._read()
            self._tallies.keep(item.record.id for item in self._store.list(Network))
            return [replace(tally) for tally in self._tallies.all()]

    def _read(self) -> None:
        for tally, frames in self._tallies.read(self._owners):
            if tally.reason.guard:
                self._untold.setdefault(tally.link, Counter())[tally.reason.name] += frames

    def _due(self) -> dict[str, Counter[str]]:
        """Return, by link, the frames that were not logged and may be logged now."""
        now = self._clock()
        self._told_at = {link: at for link, at in self._told_at.items() if now - at < SILENCE}
        due = {link: reasons for link, reasons in self._untold.items() if link not in self._told_at}
        self._untold = {link: reasons for link, reasons in self._untold.items() if link not in due}
        self._told_at |= dict.fromkeys(due, now)
        return due

    def _owners(self) -> Owners:
        networks, endpoints = self._store.list(Network), self._store.list(Endpoint)
        return owners((item.record for item in networks), (item.record for item in endpoints))


def _report(tally: Tally) -> DropReport:
    sender = DropEnd(tally.sender, tally.source, tally.link)
    receiver = DropEnd(tally.receiver, tally.target, tally.out)
    return DropReport(
        tally.network, tally.reason.name, sender, receiver, tally.packets, since=tally.since, last=tally.last
    )
