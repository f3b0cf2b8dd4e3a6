"""Which endpoints are of one container: the engine names its sandbox in Join, and nowhere else."""

import threading
from collections import defaultdict
from collections.abc import Sequence

from plugin.model.records import Endpoint
from plugin.protocol.messages import EndpointOptions
from plugin.store.base import Store

BOTH = (4, 6)
MOST = 4096  # endpoints that are remembered, the latest ones


class Sandboxes:
    """Remembers the sandbox of each endpoint; after a restart records say it of those with published ports or ways.

    To write it down at Join would cost every container a write that one in hundreds needs. A pynet that is killed
    between a container's Join and its Program does not know it: a family is not handed over then, until the container
    starts again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards the three below
        self._sandboxes: dict[str, str] = {}  # by the key of the endpoint
        self._keys: dict[str, set[str]] = defaultdict(set)  # of endpoints, by their sandbox
        self._read = False

    def enter(self, endpoint: Endpoint, sandbox: str) -> None:
        """Note that ``endpoint`` joined ``sandbox``; the store says when it is gone."""
        with self._lock:
            self._note(endpoint.key, sandbox)

    def of(self, endpoint: Endpoint) -> str:
        """Return the sandbox of ``endpoint``, "" when that is not known."""
        self._read_records()
        return self._sandboxes.get(endpoint.key, "")

    def members(self, key: str) -> Sequence[Endpoint]:
        """Return the endpoints of a container, of which ``key`` is one's."""
        self._read_records()
        with self._lock:
            sandbox = self._sandboxes.get(key, "")
            keys = sorted(self._keys.get(sandbox, ())) if sandbox else []
        found = [self._store.get(Endpoint, key) for key in keys]
        return [item.record for item in found if item is not None]

    def beside(self, endpoint: Endpoint) -> Sequence[Endpoint]:
        """Return the other endpoints of its container that publish ports of the host."""
        return [other for other in self.members(endpoint.key) if other.key != endpoint.key and host_versions(other)]

    def families(self, endpoint: Endpoint, options: EndpointOptions) -> tuple[int, ...]:
        """Return the IP versions of the host addresses on which the ports of ``endpoint`` are published.

        A container may have its gateways of the two families on two networks. 28.x says so to both of them, by
        ``no_proxy_6to4`` (recorded with 28.5.2), and programs the IPv4 gateway first. 29 says it to an IPv4 gateway
        that comes after the IPv6 gateway; to one that came before it says nothing, and to the IPv6 gateway never
        (recorded with 29.7.2). Both take IPv4 from the old gateway before they give it to another one.
        """
        beside = self.beside(endpoint)
        if endpoint.ipv6 is not None and any(4 in host_versions(other) for other in beside):
            return (6,)
        if options.no_proxy_6to4:
            return (6,) if endpoint.ipv4 is None else (4,)
        elsewhere = endpoint.ipv6 is None and any(other.ipv6 and 6 in host_versions(other) for other in beside)
        return (4,) if elsewhere else BOTH

    def _read_records(self) -> None:
        with self._lock:
            if self._read:
                return
            for item in self._store.list(Endpoint):
                for key in (item.record.key, *(way.key for way in item.record.ways)):
                    if item.record.sandbox and key not in self._sandboxes:
                        self._note(key, item.record.sandbox)
            self._read = True

    def _note(self, key: str, sandbox: str) -> None:
        self._forget(key)
        self._sandboxes[key] = sandbox
        self._keys[sandbox].add(key)
        if len(self._sandboxes) > MOST:
            self._forget(next(iter(self._sandboxes)))

    def _forget(self, key: str) -> None:
        sandbox = self._sandboxes.pop(key, None)
        if sandbox is None:
            return
        self._keys[sandbox].discard(key)
        if not self._keys[sandbox]:
            del self._keys[sandbox]


def host_versions(endpoint: Endpoint) -> set[int]:
    """Return the IP versions of the host addresses on which ``endpoint`` publishes ports."""
    return {port.host.version for port in endpoint.published if port.host is not None}
