"""What the engine gives out a second time has lost its first holder, although nobody said so.

When pynet dies in the middle of a call the engine gives the call up: a creation that pynet had finished is never used,
a removal that it had not begun is never asked for again (``docs/protocol.md``). The subnet and the address are free in
the eyes of the engine, and it gives them to the next network or endpoint. That proves that the first one is dead, as
an address manager gives nothing to two at once. What a container still holds is never taken for dead.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from plugin.cluster.addresses.records import PoolUse
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Address, Subnet
from plugin.store.base import Store

# Spaces whose manager keeps subnets apart: the engine's own (moby daemon/libnetwork/ipams/defaultipam) and pynet's.
EXCLUSIVE = frozenset({"LocalDefault", "GlobalDefault", "pynet-local", "pynet-global"})
Place = tuple[str, Address | str]  # network id, and an address or a MAC


class AddressOwners:
    """Which endpoint has which address and MAC; read from the store at the first question, and kept from then on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards _known
        self._known: dict[Place, Endpoint] | None = None

    def of_the_addresses_of(self, endpoint: Endpoint) -> list[Endpoint]:
        """Return the other endpoints that have an address of ``endpoint``."""
        with self._lock:
            found = [self._all().get(place) for place in _addresses(endpoint)]
        return list({other.id: other for other in found if other is not None and other.id != endpoint.id}.values())

    def of_mac(self, network_id: str, mac: str) -> Endpoint | None:
        """Return the endpoint of a network that was the last to get ``mac``."""
        with self._lock:
            return self._all().get((network_id, mac))

    def add(self, endpoint: Endpoint) -> None:
        """Note what a new endpoint has."""
        with self._lock:
            self._all().update(dict.fromkeys(_places(endpoint), endpoint))

    def remove(self, *endpoints: Endpoint) -> None:
        """Note that endpoints have nothing any more."""
        with self._lock:
            gone = {endpoint.id for endpoint in endpoints}
            for place in [place for endpoint in endpoints for place in _places(endpoint)]:
                holder = self._all().get(place)
                if holder is not None and holder.id in gone:
                    del self._all()[place]

    def _all(self) -> dict[Place, Endpoint]:
        if self._known is None:
            stored = [item.record for item in self._store.list(Endpoint)]
            self._known = {place: endpoint for endpoint in stored for place in _places(endpoint)}
        return self._known


def given_up(store: Store, network: Network, rivals: Sequence[Network]) -> list[Network]:
    """Return those of ``rivals`` that the engine has no more, as it gives their subnet to ``network``."""
    uses = Counter(item.record.subnet for item in store.list(PoolUse)) if rivals else {}
    return [rival for rival in rivals if _has_subnet_of(network, rival, uses)]


def _has_subnet_of(network: Network, other: Network, uses: Mapping[Subnet, int]) -> bool:
    """Say whether the address manager that gave ``network`` its subnets has given away those of ``other`` with them.

    A pool that hosts share is given to several networks; ``uses`` says how many of this host's have each now.
    """
    return any(
        mine.space in EXCLUSIVE
        and mine.space == theirs.space
        and uses.get(mine.pool, 1) == 1
        and mine.pool.version == theirs.pool.version
        and mine.pool.overlaps(theirs.pool)
        for mine in network.subnets
        for theirs in other.subnets
    )


def _places(endpoint: Endpoint) -> list[Place]:
    return [*_addresses(endpoint), (endpoint.network_id, endpoint.mac)]


def _addresses(endpoint: Endpoint) -> list[Place]:
    addresses = (endpoint.ipv4, endpoint.ipv6)
    return [(endpoint.network_id, address.ip) for address in addresses if address is not None]
