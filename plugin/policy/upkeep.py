"""Brings the rules of endpoints in line with the addresses of names in their policies."""

from collections.abc import Collection
from contextlib import suppress

from plugin.errors import PynetError
from plugin.model.policy import policy_of
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import mode_of
from plugin.request.locks import endpoint_locks
from plugin.runtime import Runtime


class NamedRules:
    """Serves ``plugin.policy.names.ResolvedNames``."""

    def __init__(self, runtime: Runtime) -> None:
        self._store = runtime.store
        self._firewall = runtime.firewall
        self._modes = runtime.modes
        self._locks = runtime.locks

    def __call__(self, names: Collection[str]) -> Collection[str]:
        """Write the rules of every endpoint that has one of ``names`` in its policy; return the names of all policies.

        Raises:
            KernelError, PynetError: rules cannot be written; the reconciler finds what is missing.
        """
        networks = {item.record.id: item.record for item in self._store.list(Network)}
        every: set[str] = set()
        for endpoint in (item.record for item in self._store.list(Endpoint)):
            own = _names(networks.get(endpoint.network_id), endpoint)
            every |= own
            if not own.isdisjoint(names):
                self._write(endpoint)
        return every

    def _write(self, endpoint: Endpoint) -> None:
        with self._locks.hold(*endpoint_locks(endpoint.network_id, endpoint.id)):
            network = self._store.get(Network, endpoint.network_id)
            known = self._store.get(Endpoint, endpoint.key)
            if network is None or known is None:
                return
            part = mode_of(self._modes, network.record).desired_port(network.record, known.record)
            for owner, elements in part.elements.items():
                if owner not in part.kept:
                    self._firewall.put(owner, elements)


def _names(network: Network | None, endpoint: Endpoint) -> set[str]:
    """Return the names in the policy of an endpoint; none if its options cannot be read."""
    with suppress(PynetError):
        allowed = policy_of(network, endpoint).allow_out if network else None
        return set(allowed.host_names) if allowed else set()
    return set()
