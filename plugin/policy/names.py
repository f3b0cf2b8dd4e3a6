"""Keeps the addresses of the names in policies: a thread asks DNS, and the rules of endpoints follow its answers.

A name is known as soon as somebody asks for its addresses, as every mode does that describes an endpoint with that
name. So records, restarts and changes need no list of names. The thread ends when no policy has a name any more.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import field

import structlog

from netlink.values import dataclass
from plugin.background.loop import Loop, alive
from plugin.errors import PynetError
from plugin.policy.answers import NameAnswer, ResolvedName, merged, pause
from plugin.protocol.messages import Address
from plugin.store.base import Put, Remove, Store

log = structlog.get_logger()

AskDns = Callable[[str, int], NameAnswer]  # a name and an IP version; raises Failed
Use = Callable[[Collection[str]], Collection[str]]  # names that are new -> names that policies have, after an update
MOMENT = 1.0  # seconds after which an endpoint whose mode asked for a name is stored
UNUSED = 60.0  # seconds after which a name that no policy has is forgotten


@dataclass(slots=True)
class _Name:
    record: ResolvedName
    due: float = 0.0  # of the next question, by the monotonic clock, as the next one
    asked: float = field(default_factory=time.monotonic)
    failing: bool = False


class ResolvedNames:
    """``addresses`` may be called from any thread, at once.

    ``use`` brings the rules of all endpoints in line whose policies have one of the names that it gets, and returns the
    names that policies have; a name that none has for ``unused`` seconds is forgotten. Without ``start`` no thread is
    started: records are read, and DNS is not asked.
    """

    def __init__(
        self, store: Store, ask: AskDns, clock: Callable[[], float] = time.time, unused: float = UNUSED
    ) -> None:
        self._store = store
        self._ask = ask
        self._clock = clock
        self._unused = unused
        self._use: Use | None = None
        self._guard = threading.Condition()  # guards everything below
        self._names: dict[str, _Name] = {}
        self._fresh: dict[str, float] = {}  # names that were asked for, and when, until their endpoints are in line
        self._loop: Loop[float] | None = None
        self._thread = 0

    @property
    def trouble(self) -> str:
        """The problem of the thread as a sentence, "" if it is well or not needed."""
        loop = self._loop
        return loop.trouble if loop else ""

    def start(self, use: Use) -> "ResolvedNames":
        """Begin to ask DNS for the names that were asked for, and for all that will be."""
        with self._guard:
            self._use = use
            if self._names:
                self._run()
        return self

    def addresses(self, name: str) -> Collection[Address]:
        """Return the addresses of a name as far as they are known, and ask DNS soon."""
        with self._guard:
            known = self._names.get(name)
            if known is None:
                stored = self._store.get(ResolvedName, name)
                known = self._names[name] = _Name(stored.record if stored else ResolvedName(name))
            if threading.get_ident() != self._thread:
                known.asked = time.monotonic()
                self._fresh[name] = known.asked
                if self._use is not None:
                    self._run()
            return [seen.address for seen in known.record.addresses]

    def turn(self) -> None:
        """Ask for the names that are due, store what is new, and let rules follow."""
        now = time.monotonic()
        with self._guard:
            due = [name for name, known in self._names.items() if known.due <= now]
            ripe = {name for name, asked in self._fresh.items() if asked + MOMENT <= now}
            old = {name for name, known in self._names.items() if now - known.asked > self._unused}
        new = ripe | {name for name in due if self._look_up(name)}
        if self._use is not None and (new or old):
            used = self._use(new)
            with self._guard:
                self._fresh = {name: asked for name, asked in self._fresh.items() if name not in ripe or asked > now}
            self._forget(old - set(used))

    def _run(self) -> None:
        """Start the thread, or wake it; the caller holds the guard."""
        if self._loop is None:
            self._loop = Loop("names of hosts", self._wait, lambda _: self.turn()).start()
        self._guard.notify()

    def _wait(self) -> float | None:
        """Wait for the next name that is due; return None if there is none left."""
        with self._guard:
            self._thread = threading.get_ident()
            if not self._names:
                self._loop, self._thread = None, 0
                return None
            now = time.monotonic()
            moments = [known.due for known in self._names.values()] + [at + MOMENT for at in self._fresh.values()]
            self._guard.wait(max(0.0, min(moments) - now))
            return now

    def _look_up(self, name: str) -> bool:
        """Ask for both IP versions; return whether addresses came or went."""
        alive()
        known = self._names[name]
        answers, why = _answers(self._ask, name)
        if not any(answer.addresses for answer in answers.values()):
            answers, why = {}, why or f"look up '{name}': it has no address"
        if why and not known.failing:
            kept = len(known.record.addresses)
            log.warning("name of a policy not resolved", name=name, error=why, addresses_kept=kept)
        elif known.failing and not why:
            log.info("name of a policy resolved again", name=name)
        before, after = known.record, merged(known.record, answers, int(self._clock()))
        if after != before:
            self._store.transact(Put(after))
        with self._guard:
            known.record, known.failing, known.due = after, bool(why), time.monotonic() + pause(answers)
        return _plain(before) != _plain(after)

    def _forget(self, names: Collection[str]) -> None:
        with self._guard:
            gone = [name for name in names if name in self._names and name not in self._fresh]
            for name in gone:
                del self._names[name]
        if gone:
            self._store.transact(*(Remove(ResolvedName, name) for name in gone))


def _answers(ask: AskDns, name: str) -> tuple[Mapping[int, NameAnswer], str]:
    """Return the answers by IP version, and why one is missing, "" if none is."""
    answers, whys = {}, []
    for version in (4, 6):
        try:
            answers[version] = ask(name, version)
        except PynetError as error:
            whys.append(str(error))
    return answers, "; ".join(dict.fromkeys(whys))


def _plain(record: ResolvedName) -> Collection[Address]:
    return {seen.address for seen in record.addresses}
