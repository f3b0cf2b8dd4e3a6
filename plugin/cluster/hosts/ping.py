"""Measures the delay of every host's watch: one host writes a ping, each host answers when its watch reports it."""

import secrets
import threading
import time
from collections.abc import Collection, Mapping
from typing import ClassVar

import structlog

from netlink.values import dataclass
from plugin.background.loop import Steady
from plugin.errors import PynetError
from plugin.model.flaws import text_flaw
from plugin.store.base import Put, Remove, Store

log = structlog.get_logger()

RETRY = 1.0  # seconds before a watch that could not begin is tried again
PATIENCE = 3.0  # seconds for the hosts to answer


@dataclass(frozen=True, slots=True)
class Ping:
    """A request to every host to answer."""

    kind: ClassVar[str] = "cluster-question"

    token: str

    @property
    def key(self) -> str:
        return self.token

    @property
    def flaw(self) -> str:
        return text_flaw(self)


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer of ``host`` to a ping."""

    kind: ClassVar[str] = "cluster-reply"

    token: str
    host: str

    @property
    def key(self) -> str:
        """Token and host, so that a prefix lists the answers to a ping."""
        return f"{self.token}/{self.host}"

    @property
    def flaw(self) -> str:
        return text_flaw(self)


class Responder:
    """Answers pings for ``host``, in a thread of its own."""

    def __init__(self, store: Store, host: str) -> None:
        self._store = store
        self._host = host
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the thread; it ends with the process or the store."""
        threading.Thread(target=self._run, name="pong", daemon=True).start()

    def stop(self) -> None:
        """Begin no further watch; the present one ends with the store."""
        self._stopped.set()

    def _run(self) -> None:
        steady = Steady()
        while not self._stopped.is_set():
            steady.attempt("answering of pings", self._listen)
            self._stopped.wait(RETRY)

    def _listen(self) -> None:
        try:
            with self._store.watch(Ping) as events:
                for event in events:
                    if isinstance(event.record, Ping):
                        self._store.transact(Put(Pong(event.record.token, self._host)))
        except PynetError as error:
            log.debug("pings not received", error=str(error))


def _end_watch(store: Store, token: str) -> None:
    try:
        store.transact(Put(Pong(token, "")))
    except Exception:  # noqa: BLE001 - the caller must not wait for answers for ever
        store.close()


def watch_lags(store: Store, hosts: Collection[str], patience: float = PATIENCE) -> Mapping[str, float]:
    """Return the seconds that each of ``hosts`` takes to answer a ping; hosts that do not answer are left out.

    If the store goes away meanwhile it is closed, because the watch would wait for it.
    """
    token, lags = secrets.token_hex(6), dict[str, float]()
    with store.watch(Pong) as events:
        begin = time.monotonic()
        store.transact(Put(Ping(token)))
        alarm = threading.Timer(patience, _end_watch, [store, token])
        alarm.start()
        try:
            for event in events:
                if isinstance(event.record, Pong) and event.record.token == token:
                    if not event.record.host:
                        break
                    lags[event.record.host] = time.monotonic() - begin
                    if set(hosts) <= set(lags):
                        break
        finally:
            alarm.cancel()
    replies = [item.record.key for item in store.list(Pong, f"{token}/")]
    for start in range(0, len(replies) + 1, 50):
        gone = [Remove(Pong, key) for key in replies[start : start + 50]]
        store.transact(Remove(Ping, token), *gone)
    return lags
