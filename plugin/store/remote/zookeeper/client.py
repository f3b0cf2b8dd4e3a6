"""A session with ZooKeeper through kazoo: requests with a deadline, and errors as kinds of ``plugin.errors``.

kazoo's own calls wait until there is a connection. Here nothing is handed to kazoo without a connection, so that a
write cannot be carried out long after its caller gave up.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kazoo import exceptions as zk
from kazoo.client import KazooClient, KazooState
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry
from kazoo.security import make_digest_acl

from netlink.deadline import end_of
from plugin.errors import Failed
from plugin.store.base import StoreAway
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.patience import AFTER_FAILURE, OPERATION

AWAY = (
    zk.ConnectionLoss,
    zk.SessionExpiredError,
    zk.ConnectionClosedError,
    zk.OperationTimeoutError,
    zk.SessionMovedError,
)
RETRY = 0.05  # seconds before a request is repeated after the connection broke

Call = Callable[[KazooClient], Any]


class Session:
    """One session, begun at its first use; the server ends it ``seconds`` after the last message.

    Used by many threads at once. Listeners are called whenever the connection is made or lost.
    """

    def __init__(self, address: StoreAddress, access: Access, seconds: float) -> None:
        self.address = address
        self._guard = threading.Lock()  # guards _client and _listeners
        self._client: KazooClient | None = None
        self._settings = _settings(address, access, seconds)
        self._connected = threading.Event()
        self._listeners: list[Callable[[], object]] = []
        self._failed = False
        self.closed = False

    @property
    def id(self) -> int:
        """The number of the session, 0 before it began; the nodes of an earlier session are not ours."""
        client = self._client
        return client.client_id[0] if client is not None and client.client_id else 0

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` from now on."""
        with self._guard:
            self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], object]) -> None:
        """Stop calling ``listener``."""
        with self._guard:
            self._listeners.remove(listener)

    def ask(self, action: str, *calls: Call) -> list[Any]:
        """Make calls together and return their results, None for a node that is not there.

        Only calls that may be carried out twice: they are repeated when the connection breaks.

        Raises:
            StoreAway: no server answers in time.
            Failed: ZooKeeper refused.
        """
        until = end_of(AFTER_FAILURE if self._failed else OPERATION)
        while True:
            try:
                return self.once(action, until, *calls)
            except AWAY as error:
                if time.monotonic() >= until:
                    raise self._away(action, str(error) or type(error).__name__) from error
                time.sleep(RETRY)

    def once(self, action: str, until: float, *calls: Call) -> list[Any]:
        """Make calls together, once; raises one of ``AWAY`` when nobody knows whether they were carried out."""
        client = self._ready(action, until)
        results = [call(client) for call in calls]
        return [self._result(action, result, until) for result in results]

    def close(self) -> None:
        """End the session; a second call does nothing."""
        with self._guard:
            self.closed = True
            client, self._client = self._client, None
        if client is not None:
            client.stop()
            client.close()

    def _ready(self, action: str, until: float) -> KazooClient:
        with self._guard:
            if self.closed:
                raise Failed(f"{action} store '{self.address}': it is closed")
            if self._client is None:
                self._client = KazooClient(**self._settings)
                self._client.add_listener(self._state_changed)
                self._client.start_async()
            client = self._client
        if not self._connected.wait(max(0.0, until - time.monotonic())):
            raise self._away(action, "no server answers")
        return client

    def _result(self, action: str, result: Any, until: float) -> Any:
        try:
            value = result.get(timeout=max(0.001, until - time.monotonic()))
        except zk.NoNodeError:
            return None
        except KazooTimeoutError as error:
            raise self._away(action, "no answer in time") from error
        except (zk.NoAuthError, zk.AuthFailedError, zk.InvalidACLError) as error:
            raise Failed(f"{action} store '{self.address}': it refused: {type(error).__name__}") from error
        except AWAY:
            raise
        except zk.KazooException as error:
            raise Failed(f"{action} store '{self.address}': {type(error).__name__}: {error}") from error
        self._failed = False
        return value

    def _away(self, action: str, reason: str) -> StoreAway:
        self._failed = True
        return StoreAway(f"{action} store '{self.address}': {reason}")

    def _state_changed(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self._connected.set()
        else:
            self._connected.clear()
        with self._guard:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


def _settings(address: StoreAddress, access: Access, seconds: float) -> dict[str, Any]:
    quiet = logging.getLogger("kazoo")
    quiet.setLevel(logging.CRITICAL)  # it logs every lost connection as an error; pynet reports those that matter
    hosts: Sequence[str] = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.endpoints]
    settings: dict[str, Any] = {
        "hosts": ",".join(hosts),
        "timeout": seconds,
        "connection_retry": KazooRetry(max_tries=-1, delay=0.1, backoff=2, max_delay=1.0),
        "logger": quiet,
    }
    if access.tls:
        settings |= {"use_ssl": True, "check_hostname": True, "ca": access.ca and str(access.ca)}
        settings |= {"certfile": _text(access.certificate), "keyfile": _text(access.key)}
    if access.user:
        settings["auth_data"] = [("digest", f"{access.user}:{access.password}")]
        settings["default_acl"] = [make_digest_acl(access.user, access.password, all=True)]
    return settings


def _text(path: object) -> str | None:
    return None if path is None else str(path)
