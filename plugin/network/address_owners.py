"""When the engine gives out a subnet or an address again, its previous owner is gone, although nobody told us.

When pynet dies during a call, the engine gives the call up: it never uses a network or an endpoint that pynet had
finished, and never repeats a removal that pynet had not begun (``docs/protocol.md``). The engine takes the subnet and
the address for free and gives them to the next network or endpoint. That proves that the previous owner is dead,
because an address manager gives nothing to two at once. An endpoint that a container still has is never taken for dead.
"""

import threading
from collections.abc import Callable

from plugin.model.records import Endpoint
from plugin.protocol.messages import Address
from plugin.store.base import Store

_Key = tuple[str, Address | str]  # network id, and an address or a MAC


class AddressOwners:
    """Knows which endpoint has which address and MAC. The store is read at the first question."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards _known
        self._known: dict[_Key, Endpoint] | None = None

    def others_with_addresses_of(self, endpoint: Endpoint) -> list[Endpoint]:
        """Return the other endpoints that have an address of ``endpoint``."""
        with self._lock:
            found = [self._all().get(key) for key in _addresses(endpoint)]
        return list({other.id: other for other in found if other is not None and other.id != endpoint.id}.values())

    def running_with_mac(self, endpoint: Endpoint, in_container: Callable[[Endpoint], bool]) -> Endpoint | None:
        """Return the endpoint that has the MAC of ``endpoint`` in its network, if a container has its link.

        One that no container has may be one that the engine gave up.
        """
        with self._lock:
            owner = self._all().get((endpoint.network_id, endpoint.mac))
        return owner if owner is not None and in_container(owner) else None

    def add(self, endpoint: Endpoint) -> None:
        """Note the addresses and the MAC of a new endpoint."""
        with self._lock:
            self._all().update(dict.fromkeys(_keys(endpoint), endpoint))

    def remove(self, *endpoints: Endpoint) -> None:
        """Note that endpoints have no addresses any more."""
        with self._lock:
            gone = {endpoint.id for endpoint in endpoints}
            for key in [key for endpoint in endpoints for key in _keys(endpoint)]:
                holder = self._all().get(key)
                if holder is not None and holder.id in gone:
                    del self._all()[key]

    def _all(self) -> dict[_Key, Endpoint]:
        if self._known is None:
            stored = [item.record for item in self._store.list(Endpoint)]
            self._known = {key: endpoint for endpoint in stored for key in _keys(endpoint)}
        return self._known


def _keys(endpoint: Endpoint) -> list[_Key]:
    return [*_addresses(endpoint), (endpoint.network_id, endpoint.mac)]


def _addresses(endpoint: Endpoint) -> list[_Key]:
    addresses = (endpoint.ipv4, endpoint.ipv6)
    return [(endpoint.network_id, address.ip) for address in addresses if address is not None]
