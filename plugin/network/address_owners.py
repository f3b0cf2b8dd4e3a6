"""When the engine gives out a subnet or an address again, its previous owner is gone, although nobody told us.

When pynet dies during a call, the engine gives the call up: it never uses a network or an endpoint that pynet had
finished, and never repeats a removal that pynet had not begun (``docs/protocol.md``). The engine takes the subnet and
the address for free and gives them to the next network or endpoint. That proves that the previous owner is dead,
because an address manager gives nothing to two at once. An endpoint that a container still has is never taken for dead.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from plugin.engine.names import Names
from plugin.errors import InvalidRequest
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Mode
from plugin.modes.registry import shared_mac
from plugin.network.endpoint import with_free_mac
from plugin.protocol.messages import Address
from plugin.store.base import Store

_Holders = dict[Address | str, Endpoint]  # by address and by MAC


class AddressOwners:
    """Knows which endpoint has which address and MAC; a network's records are read at the first question about it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards _known
        self._known: dict[str, _Holders] = {}  # by network id

    def others_with_addresses_of(self, endpoint: Endpoint) -> list[Endpoint]:
        """Return the other endpoints that have an address of ``endpoint``."""
        with self._lock:
            holders = self._of(endpoint.network_id)
            found = [holders.get(address) for address in _addresses(endpoint)]
        return list({other.id: other for other in found if other is not None and other.id != endpoint.id}.values())

    def with_mac(self, mode: Mode, network: Network, endpoint: Endpoint, wish: str | None, names: Names) -> Endpoint:
        """Return ``endpoint`` with the MAC that all containers of its network have, or else with a free one.

        Raises:
            Conflict: somebody else has the MAC that the user wished.
            InvalidRequest: the user wished one, and the network's containers have no MACs of their own.
        """
        shared = shared_mac(mode, network)
        if shared and wish not in {None, shared}:
            raise InvalidRequest(
                f"MAC address '{wish}' is not possible: containers of network {names.network(network.id)} have that of "
                f"'{network.link}', {shared}"
            )
        if shared:
            return replace(endpoint, mac=shared)
        neighbour = self._running_with_mac(endpoint, mode.in_container, mode.beside(network))
        return with_free_mac(network, endpoint, wish, neighbour, names)

    def _running_with_mac(
        self, endpoint: Endpoint, in_container: Callable[[Endpoint], bool], beside: Collection[str]
    ) -> Endpoint | None:
        """Return the endpoint that has the MAC of ``endpoint`` in its network, or in one ``beside`` it, by their ids.

        One whose link no container has does not count: the engine may have given it up.
        """
        with self._lock:
            owners = [self._of(each).get(endpoint.mac) for each in (endpoint.network_id, *beside)]
        return next((owner for owner in owners if owner is not None and in_container(owner)), None)

    def add(self, endpoint: Endpoint) -> None:
        """Note the addresses and the MAC of a new endpoint."""
        with self._lock:
            self._of(endpoint.network_id).update(dict.fromkeys(_keys(endpoint), endpoint))

    def remove(self, endpoint: Endpoint) -> None:
        """Note that an endpoint has no addresses any more."""
        with self._lock:
            holders = self._known.get(endpoint.network_id, {})
            for key in _keys(endpoint):
                if (holder := holders.get(key)) is not None and holder.id == endpoint.id:
                    del holders[key]

    def forget(self, network_id: str) -> None:
        """Note that a network and its endpoints are gone."""
        with self._lock:
            self._known.pop(network_id, None)

    def _of(self, network_id: str) -> _Holders:
        if network_id not in self._known:
            stored = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
            self._known[network_id] = {key: endpoint for endpoint in stored for key in _keys(endpoint)}
        return self._known[network_id]


def _keys(endpoint: Endpoint) -> list[Address | str]:
    return [*_addresses(endpoint), endpoint.mac]


def _addresses(endpoint: Endpoint) -> list[Address]:
    return [address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address is not None]
