"""Which endpoints are of one container: the engine names its sandbox in Join, and nowhere else."""

import threading

from plugin.messages import EndpointOptions
from plugin.model import Endpoint
from plugin.store.base import Store

BOTH = (4, 6)
MOST = 4096  # endpoints that are remembered, the latest ones


class Sandboxes:
    """Remembers the sandbox of each endpoint as long as the process runs.

    After a restart it knows the containers that join from then on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards _sandboxes
        self._sandboxes: dict[str, str] = {}  # by the key of the endpoint

    def enter(self, endpoint: Endpoint, sandbox: str) -> None:
        """Note that ``endpoint`` joined ``sandbox``; the store says when it is gone."""
        with self._lock:
            self._sandboxes[endpoint.key] = sandbox
            if len(self._sandboxes) > MOST:
                del self._sandboxes[next(iter(self._sandboxes))]

    def families(self, endpoint: Endpoint, options: EndpointOptions) -> tuple[int, ...]:
        """Return the IP versions of the host addresses on which the ports of ``endpoint`` are published.

        ``no_proxy_6to4`` says that the container has a gateway of each family on another network, and 28.x says it to
        both of them (recorded with 28.5.2). The one without the other family is clear; of one with both, IPv4 is
        published here unless a neighbour does it: the engine programs the IPv4 gateway first.
        """
        if not options.no_proxy_6to4:
            return BOTH
        if endpoint.ipv4 is None:
            return (6,)
        return (6,) if endpoint.ipv6 is not None and self._ipv4_published_beside(endpoint) else (4,)

    def _ipv4_published_beside(self, endpoint: Endpoint) -> bool:
        sandbox = self._sandboxes.get(endpoint.key)
        with self._lock:
            neighbours = [key for key, other in self._sandboxes.items() if sandbox and other == sandbox]
        found = [self._store.get(Endpoint, key) for key in neighbours if key != endpoint.key]
        ports = [port for item in found if item is not None for port in item.record.published]
        return any(port.host is not None and port.host.version == 4 for port in ports)
