"""Knows which endpoints belong to one container: the engine names the sandbox in Join, and nowhere else."""

import threading
from collections.abc import Iterable, Sequence

from plugin.model.records import Endpoint
from plugin.protocol.messages import EndpointOptions
from plugin.store.base import Store

BOTH = (4, 6)  # IP versions


class Sandboxes:
    """Remembers the sandbox of each endpoint. After a restart only records with published ports or ways name one.

    Storing it at Join would cost every container a write that one in hundreds needs. If pynet is killed between a
    container's Join and its ProgramExternalConnectivity, it does not know the sandbox, and no family is passed on until
    the container starts again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards the three below
        self._sandboxes: dict[str, str] = {}  # by the key of the endpoint
        self._keys: dict[str, tuple[str, ...]] = {}  # of endpoints, by their sandbox; most have one
        self._read = False

    def recall(self, endpoints: Iterable[Endpoint]) -> None:
        """Take the records of all ``endpoints``, so that no request has to read them."""
        with self._lock:
            self._note_all(endpoints)

    def enter(self, endpoint: Endpoint, sandbox: str) -> None:
        """Note that ``endpoint`` joined ``sandbox``."""
        with self._lock:
            self._note(endpoint.key, sandbox)

    def forget(self, *endpoints: Endpoint) -> None:
        """Note that ``endpoints`` are removed."""
        with self._lock:
            for endpoint in endpoints:
                self._forget(endpoint.key)

    def sandbox_of(self, endpoint: Endpoint) -> str:
        """Return the sandbox of ``endpoint``, "" if it is not known."""
        self._read_records()
        return self._sandboxes.get(endpoint.key, "")

    def members(self, key: str) -> Sequence[Endpoint]:
        """Return all endpoints of the container that has the endpoint ``key``."""
        self._read_records()
        with self._lock:
            sandbox = self._sandboxes.get(key, "")
            keys = sorted(self._keys.get(sandbox, ())) if sandbox else []
        found = [self._store.get(Endpoint, key) for key in keys]
        return [item.record for item in found if item is not None]

    def others_publishing(self, endpoint: Endpoint) -> Sequence[Endpoint]:
        """Return the other endpoints of the container that publish ports on host addresses."""
        return [other for other in self.members(endpoint.key) if other.key != endpoint.key and host_versions(other)]

    def families(self, endpoint: Endpoint, options: EndpointOptions) -> tuple[int, ...]:
        """Return the IP versions of the host addresses on which the ports of ``endpoint`` have to be published.

        A container may have its gateways of the two families on two networks. 28.x then sets ``no_proxy_6to4`` for both
        endpoints (recorded with 28.5.2), and programs the IPv4 gateway first. 29 sets it for an IPv4 gateway that comes
        after the IPv6 gateway, but not for one that came before it, and never for the IPv6 gateway (recorded with
        29.7.2). Both take IPv4 from the old gateway before they give it to another one.
        """
        others = self.others_publishing(endpoint)
        if endpoint.ipv6 is not None and any(4 in host_versions(other) for other in others):
            return (6,)
        if options.no_proxy_6to4:
            return (6,) if endpoint.ipv4 is None else (4,)
        elsewhere = endpoint.ipv6 is None and any(other.ipv6 and 6 in host_versions(other) for other in others)
        return (4,) if elsewhere else BOTH

    def _read_records(self) -> None:
        with self._lock:
            if not self._read:
                self._note_all(item.record for item in self._store.list(Endpoint))

    def _note_all(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            for key in (endpoint.key, *(way.key for way in endpoint.ways)) if endpoint.sandbox else ():
                if key not in self._sandboxes:
                    self._note(key, endpoint.sandbox)
        self._read = True

    def _note(self, key: str, sandbox: str) -> None:
        self._forget(key)
        self._sandboxes[key] = sandbox
        self._keys[sandbox] = (*self._keys.get(sandbox, ()), key)

    def _forget(self, key: str) -> None:
        sandbox = self._sandboxes.pop(key, None)
        if sandbox is None:
            return
        left = tuple(other for other in self._keys.pop(sandbox) if other != key)
        if left:
            self._keys[sandbox] = left


def host_versions(endpoint: Endpoint) -> set[int]:
    """Return the IP versions of the host addresses on which ``endpoint`` publishes ports."""
    return {port.host.version for port in endpoint.published if port.host is not None}
