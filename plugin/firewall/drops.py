"""Adds up the frames that the guard dropped, for ``pynet status`` and the log.

The kernel counts them by port and reason. It forgets a port some minutes after its last drop, and all ports when the
tables are written anew, so the counts are added up here, by endpoint. The log names an endpoint at most once a minute.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import structlog

from netlink.errors import KernelError, Missing
from plugin.background.loop import Loop
from plugin.errors import PynetError
from plugin.firewall.bridge_rules import COUNTED, FLOOD, REASONS
from plugin.interfaces import Counters
from plugin.model.names import host_link_name, vxlan_name
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Drop
from plugin.store.base import Store

log = structlog.get_logger()

PERIOD = 30.0  # seconds between two readings of the counters
SOON = 0.5  # seconds that a caller waits for a fresh reading
SILENCE = 60.0  # seconds between two lines about one endpoint
_ALLOWED = "-o pynet.guard_allow or pynet.guard, of the network or of the container, lets them pass"
_LIMITED = f"only the first {FLOOD} in a second pass; send less, or to single hosts"
Names = Callable[[], Mapping[str, tuple[str, str]]]  # endpoint id -> names of its network and container


class Drops:
    """Reads the counters of the table ``table`` of family bridge; every method may be called from any thread."""

    def __init__(
        self, counters: Counters, store: Store, table: str, names: Names, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counters = counters
        self._store = store
        self._table = table
        self._names = names
        self._clock = clock
        self._answer = threading.Condition()  # guards the three below
        self._asked = self._answered = 0  # callers so far, and callers with an answer
        self._known: Sequence[Drop] = ()  # the last answer
        self._rings = threading.Event()
        self._tell_at = time.monotonic() + PERIOD
        self._guard = threading.Lock()  # guards everything below
        self._last: dict[str, Mapping[str, int]] = {}  # last reading, by reason and link
        self._total: Counter[tuple[str, str]] = Counter()  # frames since the start, by network and reason
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
        """Return the frames that were dropped since the start, by network and reason.

        Raises:
            KernelError, PynetError: the counters or the records cannot be read.
        """
        with self._guard:
            self._read()
            here = {item.record.id for item in self._store.list(Network)}
            self._total = Counter({key: frames for key, frames in self._total.items() if key[0] in here})
            return [Drop(network, reason, frames) for (network, reason), frames in sorted(self._total.items())]

    def tell(self) -> None:
        """Read the counters, and log the endpoints whose frames were dropped, and why."""
        with self._guard:
            links = self._read()
            due = self._due()
        names = self._names() if due else {}
        for link, reasons in due.items():
            network, endpoint = links.get(link, ("", ""))
            network_name, container = names.get(endpoint, ("", ""))
            log.warning(
                "guard dropped frames",
                container=container or endpoint[:12] or link,
                network=network_name or network[:12],
                frames=dict(reasons),
                why="; ".join(REASONS[reason] for reason in reasons),
                hint=_LIMITED if set(reasons) == {"flood"} else _ALLOWED,
            )

    def answer(self) -> None:
        """Read the counters for the callers that wait in ``known``; if that fails they get the earlier result."""
        with self._answer:
            asked, drops = self._asked, self._known
        try:
            drops = self.by_network()
        except (KernelError, PynetError) as error:
            log.warning("drops of the guard not read", error=str(error))
        with self._answer:
            self._answered, self._known = asked, drops
            self._answer.notify_all()

    def _wait(self) -> bool:
        self._rings.wait(max(0.0, self._tell_at - time.monotonic()))
        self._rings.clear()
        return True

    def _look(self) -> None:
        self.answer()
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + PERIOD
            self.tell()

    def _read(self) -> Mapping[str, tuple[str, str]]:
        """Add up new counts; return the owner of each link, or nothing if there is nothing to log."""
        new = [(reason, *entry) for reason in REASONS for entry in self._new(reason)]
        links = self._links() if new or self._untold else {}
        for reason, link, frames in new:
            self._untold.setdefault(link, Counter())[reason] += frames
            if link in links:
                self._total[links[link][0], reason] += frames
        return links

    def _new(self, reason: str) -> Iterator[tuple[str, int]]:
        """Yield (link, frames) of frames since the last reading; a count that shrank was started anew."""
        counted: Mapping[str, int] = {}
        with suppress(Missing):  # no network, so no tables
            counted = self._counters.packets("bridge", self._table, COUNTED + reason)
        before, self._last[reason] = self._last.get(reason, {}), counted
        for link, packets in counted.items():
            known = before.get(link, 0)
            if packets != known:
                yield link, packets - known if packets > known else packets

    def _due(self) -> dict[str, Counter[str]]:
        """Return, by link, the frames that were not logged and may be logged now."""
        now = self._clock()
        self._told_at = {link: at for link, at in self._told_at.items() if now - at < SILENCE}
        due = {link: reasons for link, reasons in self._untold.items() if link not in self._told_at}
        self._untold = {link: reasons for link, reasons in self._untold.items() if link not in due}
        self._told_at |= dict.fromkeys(due, now)
        return due

    def _links(self) -> Mapping[str, tuple[str, str]]:
        """Return network id and endpoint id of every port; a tunnel has no endpoint."""
        found = {vxlan_name(item.record.id): (item.record.id, "") for item in self._store.list(Network)}
        ends = [item.record for item in self._store.list(Endpoint)]
        return found | {host_link_name(end.id): (end.network_id, end.id) for end in ends}
