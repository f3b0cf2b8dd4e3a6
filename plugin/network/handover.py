"""Published ports pass from one endpoint of a container to another: each family of host addresses is of one of them.

The engine tells an endpoint when it becomes or ceases to be a gateway. It does not tell one that stays the IPv4
gateway that another became or ceased to be the IPv6 gateway (29, moby daemon/libnetwork/drivers/remote/driver.go),
which until then publishes on IPv6 too, by a relay.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.model.records import Endpoint, Network, Published
from plugin.network.sandboxes import BOTH, Sandboxes
from plugin.protocol.messages import PortBinding
from plugin.publish.bindings import reachability
from plugin.publish.publisher import Publisher
from plugin.request.locks import Locks, endpoint_locks
from plugin.request.undo import Undo
from plugin.store.base import Put, Store

log = structlog.get_logger()


class Handover:
    """Takes the locks of the endpoint that gives or gets; the caller holds none."""

    def __init__(self, store: Store, locks: Locks, publisher: Publisher, sandboxes: Sandboxes) -> None:
        self._store = store
        self._locks = locks
        self._publisher = publisher
        self._sandboxes = sandboxes

    def take(self, endpoint: Endpoint, families: Sequence[int], undo: Undo) -> None:
        """Let the others of the container give up what they publish on ``families`` of host addresses.

        Raises:
            PynetError, KernelError: one of them could not.
        """
        for other in self._sandboxes.beside(endpoint):
            kept = tuple(port for port in other.published if port.host is None or port.host.version not in families)
            if kept != other.published:
                self._exchange(other, kept)
                undo.push(self._exchange, replace(other, published=kept), other.published)

    def pass_on(self, gone: Endpoint) -> None:
        """Let the others of the container publish what ``gone`` published on host addresses, as far as they can.

        That nobody takes it over is no failure of who withdraws.
        """
        left = [port for port in gone.published if port.host is not None]
        for other in self._sandboxes.beside(gone) if left else ():
            try:
                gained = [port for had in left if (port := self._instead(other, had)) is not None]
                if gained:
                    self._exchange(other, (*other.published, *gained))
            except (KernelError, PynetError) as error:
                log.warning("ports not taken over", endpoint=other.id[:12], of=gone.id[:12], error=str(error))
            else:
                taken = {(port.proto, port.host, port.host_port) for port in gained}
                left = [port for port in left if (port.proto, port.host, port.host_port) not in taken]

    def _instead(self, other: Endpoint, had: Published) -> Published | None:
        """Return how ``other`` publishes what another endpoint ``had``; None where it cannot, or does already."""
        network = self._store.get(Network, other.network_id)
        if network is None or any(_meet(port, had) for port in other.published):
            return None
        binding = PortBinding(had.proto, had.port, host_ip=str(had.host), host_port=had.host_port)
        for at in reachability(other, network.record.settings, binding, BOTH).host_bindings:
            return replace(had, target=at.target)
        return None

    def _exchange(self, endpoint: Endpoint, published: tuple[Published, ...]) -> None:
        """Publish ``published`` instead of what ``endpoint`` publishes, unless that changed in the meantime."""
        with self._locks.hold(*endpoint_locks(endpoint.network_id, endpoint.id)):
            known, network = self._store.get(Endpoint, endpoint.key), self._store.get(Network, endpoint.network_id)
            if known is None or network is None or known.record.published != endpoint.published:
                return

            def save(after: tuple[Published, ...]) -> None:
                self._store.transact(Put(replace(known.record, published=after)))

            self._publisher.put(network.record, known.record, published, save)


def _meet(one: Published, other: Published) -> bool:
    return (one.proto, one.host, one.host_port) == (other.proto, other.host, other.host_port)
