"""The published ports of endpoints: publish them, record them, and pass them on within a container.

A container may be in several networks. Each family of host addresses, IPv4 and IPv6, is published by one of its
endpoints, which is its gateway for that family. The engine tells an endpoint when it becomes or ceases to be a gateway.
It does not tell one that stays the IPv4 gateway that another became or ceased to be the IPv6 gateway (29, moby
daemon/libnetwork/drivers/remote/driver.go); until then that one publishes on IPv6 too, by a relay.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.firewall.elements import PROTOCOLS
from plugin.model.records import Endpoint, Network, Published
from plugin.modes.base import Capability
from plugin.network.added_ports import is_added, merged
from plugin.network.sandboxes import BOTH, Sandboxes
from plugin.options.network import ROUTED
from plugin.protocol.messages import EndpointOptions, EndpointRef, PortBinding
from plugin.publish.bindings import PortRequest, reachability
from plugin.request.locks import endpoint_locks
from plugin.request.undo import Undo
from plugin.runtime import Runtime
from plugin.store.base import Put

log = structlog.get_logger()


class Exposure:
    """Publishes the ports of endpoints.

    The caller holds the locks of the endpoint for ``publish``, ``restore_rules`` and ``withdraw``. It holds none for
    ``take_over`` and ``pass_on``, which take the locks of the other endpoints of the container.
    """

    def __init__(self, runtime: Runtime, sandboxes: Sandboxes) -> None:
        self._store = runtime.store
        self._locks = runtime.locks
        self._modes = runtime.modes
        self._publisher = runtime.publisher
        self._names = runtime.names
        self._sandboxes = sandboxes

    def needs_no_gateway(self, network: Network, endpoint: Endpoint, bindings: Sequence[PortBinding]) -> bool:
        """Return whether an endpoint that joins has to publish at once, because routed mode opens its own address.

        The engine calls ProgramExternalConnectivity only for the network that is the container's gateway.
        """
        if not bindings or not self.may_publish(network) or self._publisher.publishes(endpoint.id):
            return False
        return any(network.settings.gateway_mode(version) == ROUTED for version in BOTH)

    def note_unpublished(self, network: Network, endpoint: Endpoint, bindings: Sequence[PortBinding]) -> None:
        """Store and log ports of a container that is on the LAN itself: the host publishes none of them.

        Its server is reached at the container's own address, which whoever typed ``-p`` may not know.
        """
        own = [address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address is not None]
        ports = {(binding.proto, binding.port): None for binding in bindings}
        found = tuple(Published(proto, port, address) for proto, port in ports for address in own)
        if network.host_gateway or found == endpoint.unpublished:
            return
        self._store.transact(Put(replace(endpoint, unpublished=found)))
        at = ", ".join(f"{port.target} {PROTOCOLS[port.proto]}/{port.port}" for port in found)
        log.warning("ports not published", endpoint=endpoint.id[:12], mode=network.mode, reached_at=at)

    def publish(self, network: Network, endpoint: Endpoint, request: PortRequest) -> None:
        """Publish the ports of ``request`` instead of those that are published now, and store the result."""
        bindings = merged(endpoint, request.bindings) if self.may_publish(network) else ()
        request = PortRequest(bindings, request.families)
        self._publisher.publish(network, endpoint, request, partial(self._save, endpoint))
        self._names.expect()

    def restore_rules(self, request: EndpointRef) -> None:
        """Let the rules lead to the ports in the endpoint's record, and to no others.

        Raises:
            KernelError, PynetError: it was not possible.
        """
        known, network = self._stored(request)
        if known is not None and network is not None:
            self._publisher.translate(network, known, known.published)

    def withdraw(self, request: EndpointRef, *, keep_routed: bool = False) -> Endpoint | None:
        """Withdraw all ports, or all but those that routed mode opened.

        Returns:
            The endpoint as it was before, None if it is not known.
        """
        known, network = self._stored(request)
        if known is None:
            return None
        routed = tuple(port for port in known.published if port.host is None)
        if keep_routed and routed and network is not None:
            self._publisher.put(network, known, routed, partial(self._save, known))
        else:
            self._publisher.withdraw(known, keep=bool(known.added))
            self._store.transact(Put(replace(known, published=())))
        return known

    def take_over(self, network: Network, endpoint: Endpoint, options: EndpointOptions, undo: Undo) -> tuple[int, ...]:
        """Return the families of host addresses that the endpoint has to publish, and let the others give them up.

        Raises:
            PynetError, KernelError: another endpoint could not give them up.
        """
        families = self._sandboxes.families(endpoint, options)
        publishes = merged(endpoint, options.port_map) and self.may_publish(network)
        for other in self._sandboxes.others_publishing(endpoint) if publishes else ():
            kept = tuple(port for port in other.published if port.host is None or port.host.version not in families)
            if kept != other.published:
                self._exchange(other, kept)
                undo.push(self._exchange, replace(other, published=kept), other.published)
        return families

    def pass_on(self, gone: Endpoint) -> None:
        """Let the other endpoints of the container publish the ports of ``gone`` on host addresses, as far as possible.

        A port that nobody takes over is no failure of the withdrawal. Ports that the user added stay with ``gone``.
        """
        left = [port for port in gone.published if port.host is not None and not is_added(gone, port)]
        for other in self._sandboxes.others_publishing(gone) if left else ():
            try:
                gained = [port for had in left if (port := self._instead(other, had)) is not None]
                if gained:
                    self._exchange(other, (*other.published, *gained))
            except (KernelError, PynetError) as error:
                log.warning("ports not taken over", endpoint=other.id[:12], of=gone.id[:12], error=str(error))
            else:
                left = [port for port in left if not any(_meet(port, taken) for taken in gained)]

    def may_publish(self, network: Network) -> bool:
        """Return whether ports of containers can be published through a network."""
        mode = self._modes.get(network.mode)
        return not network.internal and (mode is None or Capability.PUBLISHES in mode.does)

    def _instead(self, other: Endpoint, had: Published) -> Published | None:
        """Return how ``other`` can publish the port ``had`` of another endpoint; None if it cannot, or does already."""
        network = self._store.get(Network, other.network_id)
        if network is None or any(_meet(port, had) for port in other.published):
            return None
        binding = PortBinding(had.proto, had.port, host_ip=str(had.host), host_port=had.host_port)
        for at in reachability(other, network.record.settings, binding, BOTH).host_bindings:
            return replace(had, target=at.target)
        return None

    def _exchange(self, endpoint: Endpoint, published: tuple[Published, ...]) -> None:
        """Publish ``published`` instead of the ports of ``endpoint``, unless those have changed in the meantime."""
        with self._locks.hold(*endpoint_locks(endpoint.network_id, endpoint.id)):
            known, network = self._stored(EndpointRef(endpoint.network_id, endpoint.id))
            if known is not None and network is not None and known.published == endpoint.published:
                self._publisher.put(network, known, published, partial(self._save, known))

    def _stored(self, request: EndpointRef) -> tuple[Endpoint | None, Network | None]:
        known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
        network = self._store.get(Network, request.network_id)
        return known.record if known else None, network.record if network else None

    def _save(self, endpoint: Endpoint, published: tuple[Published, ...]) -> None:
        if published != endpoint.published:
            sandbox = self._sandboxes.sandbox_of(endpoint)
            self._store.transact(Put(replace(endpoint, published=published, sandbox=sandbox)))


def _meet(one: Published, other: Published) -> bool:
    return (one.proto, one.host, one.host_port) == (other.proto, other.host, other.host_port)
