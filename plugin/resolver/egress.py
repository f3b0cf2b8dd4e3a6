"""Containers with ``pynet.egress=deny`` may have other servers asked only for the names in their policy.

Else DNS would carry data out: whoever has a domain reads the names that are asked for in it.
"""

import time
from collections.abc import Callable, Mapping

from netlink.values import dataclass
from plugin.model.policy import Policy, policy_of
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Address
from plugin.store.base import LocalStore

_PAUSE = 1.0  # seconds between two readings of a network's endpoints, at least
_MOST = 256  # networks whose policies are remembered


@dataclass(frozen=True, slots=True)
class _Known:
    revision: int
    at: float
    network: Policy
    own: Mapping[Address, Policy]


class Egress:
    """Knows the policies of clients; the endpoints of a network are read when one of them asks after a change."""

    def __init__(self, store: LocalStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def __call__(self, client: Address, network: str | None, name: str) -> bool:
        """Return whether other servers may be asked for a name; without a network there is no policy."""
        known = self._of(network) if network else None
        if known is None:
            return True
        allowed = known.own.get(client, known.network).allow_out
        return allowed is None or name.lower() in allowed.host_names

    def _of(self, network_id: str) -> _Known | None:
        known, revision, now = self._known.get(network_id), self._store.revision(), self._clock()
        if known is None or (known.revision != revision and now >= known.at + _PAUSE):
            item = self._store.get(Network, network_id)
            if item is None:
                return None
            network = item.record
            ends = [end.record for end in self._store.list(Endpoint, f"{network_id}/")]
            own = {one.ip: policy_of(network, end) for end in ends for one in (end.ipv4, end.ipv6) if one}
            if len(self._known) >= _MOST:
                self._known.clear()
            nobody = Policy(allow_out=network.settings.allow_out if network.settings.egress == "deny" else None)
            known = self._known[network_id] = _Known(revision, now, nobody, own)
        return known
