"""The records that a request is about; one that is missing, or on its way out, is a sentence for the user."""

from plugin.errors import NotFound
from plugin.model.records import Endpoint, Network
from plugin.network.reservations import NetworkReservations
from plugin.runtime import Runtime


class Lookup:
    """Reads the store; both verbs raise ``NotFound``."""

    def __init__(self, runtime: Runtime, claims: NetworkReservations) -> None:
        self._store = runtime.store
        self._debts = runtime.reaper.debts
        self._names = runtime.names
        self._claims = claims

    def network(self, network_id: str) -> Network:
        """Return a network, and note that it is the caller's."""
        known = self._store.get(Network, network_id)
        if self._debts.owes(f"network {network_id}"):
            raise NotFound(f"network {self._names.network(network_id)} is being removed")
        if known is None:
            name = self._names.network(network_id)
            raise NotFound(f"network {name} is not known to pynet; remove it and create it again")
        self._claims.name(network_id)
        return known.record

    def endpoint(self, network_id: str, endpoint_id: str) -> Endpoint:
        """Return an endpoint."""
        known = self._store.get(Endpoint, f"{network_id}/{endpoint_id}")
        owed = self._debts.owes(f"endpoint {network_id}/{endpoint_id}")
        if known is None or owed:
            what = f"endpoint '{endpoint_id[:12]}' of network {self._names.network(network_id)}"
            raise NotFound(f"{what} is being removed" if owed else f"{what} is not known to pynet")
        return known.record
