"""What an endpoint publishes, on its own and together with the others of its container, and the record of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from plugin.model.records import Endpoint, Network, Published
from plugin.modes.base import Capability
from plugin.network.handover import Handover
from plugin.network.sandboxes import BOTH, Sandboxes
from plugin.network.ways import Ways
from plugin.options.network import ROUTED
from plugin.protocol.messages import EndpointOptions, EndpointRef, PortBinding
from plugin.publish.bindings import PortRequest
from plugin.request.undo import Undo
from plugin.runtime import Runtime
from plugin.store.base import Put


class Exposure:
    """The caller holds the locks of the endpoint for ``publish`` and ``withdraw``, and none for the rest.

    ``ways`` are those by which answers leave.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._store = runtime.store
        self._publisher = runtime.publisher
        self._names = runtime.names
        self._modes = runtime.modes
        self._sandboxes = Sandboxes(runtime.store)
        self._handover = Handover(runtime.store, runtime.locks, runtime.publisher, self._sandboxes)
        self.ways = Ways(runtime, self._sandboxes)

    def enter(self, endpoint: Endpoint, sandbox: str) -> None:
        """Note that ``endpoint`` joined ``sandbox``."""
        self._sandboxes.enter(endpoint, sandbox)

    def needs_no_gateway(self, network: Network, endpoint: Endpoint, bindings: Sequence[PortBinding]) -> bool:
        """Say whether an endpoint that joins is to publish at once: routed mode opens its own address.

        To a network that is not the container's gateway no Program comes.
        """
        if not bindings or not self._may_publish(network) or self._publisher.publishes(endpoint.id):
            return False
        return any(network.settings.gateway_mode(version) == ROUTED for version in BOTH)

    def take_over(self, network: Network, endpoint: Endpoint, options: EndpointOptions, undo: Undo) -> tuple[int, ...]:
        """Return the families of host addresses that are this endpoint's, and let the others give them up."""
        families = self._sandboxes.families(endpoint, options)
        if options.port_map and self._may_publish(network):
            self._handover.take(endpoint, families, undo)
        return families

    def pass_on(self, gone: Endpoint) -> None:
        """Let the others take over what ``gone`` published."""
        self._handover.pass_on(gone)

    def publish(self, network: Network, endpoint: Endpoint, request: PortRequest) -> None:
        """Publish the ports of ``request`` instead of those that are published now, and store the result."""
        request = request if self._may_publish(network) else PortRequest(())
        self._publisher.publish(network, endpoint, request, self._saved(endpoint))
        self._names.expect()

    def settle(self, request: EndpointRef) -> None:
        """Let the firewall have what the record says that is published, no more and no less; the caller has the locks.

        Raises:
            KernelError, PynetError: it could not.
        """
        known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
        network = self._store.get(Network, request.network_id)
        if known is not None and network is not None:
            self._publisher.translate(network.record, known.record, known.record.published)

    def withdraw(self, request: EndpointRef, *, keep_routed: bool = False) -> Endpoint | None:
        """Publish nothing, or only what routed mode opened; return the endpoint as it was before, None without one."""
        known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
        if known is None:
            return None
        network = self._store.get(Network, request.network_id)
        routed = tuple(port for port in known.record.published if port.host is None)
        if keep_routed and routed and network is not None:
            self._publisher.put(network.record, known.record, routed, self._saved(known.record))
        else:
            self._publisher.withdraw(known.record)
            self._store.transact(Put(replace(known.record, published=())))
        return known.record

    def _may_publish(self, network: Network) -> bool:
        mode = self._modes.get(network.mode)
        return not network.internal and (mode is None or Capability.PUBLISHES in mode.does)

    def _saved(self, endpoint: Endpoint) -> Callable[[tuple[Published, ...]], None]:
        def save(published: tuple[Published, ...]) -> None:
            if published != endpoint.published:
                sandbox = self._sandboxes.of(endpoint)
                self._store.transact(Put(replace(endpoint, published=published, sandbox=sandbox)))

        return save
