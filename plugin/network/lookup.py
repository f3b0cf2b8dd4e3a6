"""Finds the network, the endpoint and the mode that a request names. If one is missing the user gets a sentence."""

from plugin.engine.touched import Touched
from plugin.errors import Failed, NotFound
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Mode
from plugin.modes.registry import mode_of
from plugin.network.reservations import NetworkReservations
from plugin.request.retries import Owed
from plugin.runtime import Runtime


class Lookup:
    """Finds records of objects that are not being removed; ``advice`` ends the sentence about an unknown network."""

    advice = ""

    def __init__(self, runtime: Runtime) -> None:
        self._store = runtime.store
        self._modes = runtime.modes
        self._retries = runtime.reaper.retries
        self._names = runtime.names

    def network(self, network_id: str) -> Network:
        """Return a network; raises ``NotFound``."""
        known = self._store.get(Network, network_id)
        if self._retries.pending(Owed.network(network_id)):
            raise NotFound(f"network {self._names.network(network_id)} is being removed")
        if known is None:
            name = self._names.network(network_id)
            raise NotFound(f"network {name} is not known to pynet{self.advice}")
        return known.record

    def endpoint(self, network_id: str, endpoint_id: str) -> Endpoint:
        """Return an endpoint; raises ``NotFound``."""
        known = self._store.get(Endpoint, f"{network_id}/{endpoint_id}")
        owed = self._retries.pending(Owed.endpoint(network_id, endpoint_id))
        if known is None or owed:
            what = f"endpoint '{endpoint_id[:12]}' of network {self._names.network(network_id)}"
            raise NotFound(f"{what} is being removed" if owed else f"{what} is not known to pynet")
        return known.record

    def mode(self, network: Network) -> Mode:
        """Return the mode of a network; raises as ``mode_of``."""
        try:
            return mode_of(self._modes, network)
        except Failed as error:
            raise Failed(f"network {self._names.network(network.id)} cannot be used: {error}") from error


class EngineLookup(Lookup):
    """Finds records, and notes that the engine has just named them, which takes unknown networks for pynet's."""

    advice = "; remove it and create it again"

    def __init__(self, runtime: Runtime, reservations: NetworkReservations, touched: Touched) -> None:
        super().__init__(runtime)
        self._reservations = reservations
        self._touched = touched

    def network(self, network_id: str) -> Network:
        """Return a network, which belongs to the engine that names it; raises ``NotFound``."""
        found = super().network(network_id)
        self._reservations.note_caller(network_id)
        return found

    def endpoint(self, network_id: str, endpoint_id: str) -> Endpoint:
        """Return an endpoint; raises ``NotFound``."""
        found = super().endpoint(network_id, endpoint_id)
        self._touched.note(endpoint_id)
        return found
