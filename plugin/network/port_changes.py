"""Publishes and withdraws ports of running containers, beside the ports that Docker publishes.

The record has what a user added and withdrew. When the engine publishes the ports of the endpoint again, as after a
change of the gateway, both are kept (``plugin.network.added_ports``).
"""

from collections.abc import Sequence
from dataclasses import replace

from plugin.errors import Conflict, InvalidRequest, NotFound
from plugin.firewall.elements import PROTOCOLS
from plugin.model.records import Endpoint, Network, Published
from plugin.network.added_ports import is_added
from plugin.network.exposure import Exposure
from plugin.network.sandboxes import Sandboxes
from plugin.protocol.messages import EndpointOptions, PortBinding
from plugin.publish.bindings import PortRequest
from plugin.request.undo import Undo
from plugin.runtime import Runtime
from plugin.store.base import Put

Place = tuple[int, int]  # IP protocol, port of the host


class PortChanges:
    """The caller holds the locks of network and endpoint. Every verb returns the record, and may raise ``PynetError``.

    Each port is published or withdrawn, or none of them.
    """

    def __init__(self, runtime: Runtime, sandboxes: Sandboxes, exposure: Exposure) -> None:
        self._store = runtime.store
        self._publisher = runtime.publisher
        self._names = runtime.names
        self._sandboxes = sandboxes
        self._exposure = exposure

    def publish(self, network: Network, endpoint: Endpoint, bindings: Sequence[PortBinding], undo: Undo) -> Endpoint:
        """Publish more ports; those that were added before in the same words are published already.

        Raises:
            Conflict: a port is taken.
            InvalidRequest: none can be published, or not there.
        """
        self._check(network)
        bindings = [each for each in bindings if not (each.host_port and each in endpoint.added)]
        if not bindings:
            return endpoint
        families = self._sandboxes.families(endpoint, EndpointOptions())
        after: list[Endpoint] = []

        def save(published: tuple[Published, ...], added: Sequence[PortBinding]) -> None:
            twice = next((port for port in published if published.count(port) > 1), None)
            if twice is not None:
                raise Conflict(f"port {_text(twice.proto, twice.port)} is published already")
            after.append(replace(endpoint, published=published, added=(*endpoint.added, *added)))
            self._save(after[0])

        undo.push(self._take_back, network, after, endpoint)
        self._publisher.add(network, endpoint, PortRequest(tuple(bindings), families), save)
        self._names.expect()
        return after[0]

    def unpublish(self, network: Network, endpoint: Endpoint, places: Sequence[Place], undo: Undo) -> Endpoint:
        """Withdraw ports of Docker or of a user by their host ports; raises ``NotFound`` for one that is not there.

        A port of routed mode has no host port, and is named by the container's.
        """
        for place in places:
            known = [_place(port) for port in endpoint.published] + [_place_of(each) for each in endpoint.added]
            if place not in known:
                who = self._names.container(endpoint.id)
                raise NotFound(f"no public port {_text(*place)} published for {who}")
        gone = [port for port in endpoint.published if _place(port) in places]
        return self._put(
            network,
            endpoint,
            replace(
                endpoint,
                published=tuple(port for port in endpoint.published if port not in gone),
                added=tuple(each for each in endpoint.added if _place_of(each) not in places),
                withdrawn=(*endpoint.withdrawn, *(port for port in gone if not is_added(endpoint, port))),
            ),
            undo,
        )

    def reset(self, network: Network, endpoint: Endpoint, undo: Undo) -> Endpoint:
        """Publish Docker's ports again and no others, unless another endpoint of the container publishes them now."""
        own = [port for port in endpoint.published if not is_added(endpoint, port)]
        back = () if self._sandboxes.others_publishing(endpoint) else endpoint.withdrawn
        after = replace(endpoint, published=(*own, *back), added=(), withdrawn=())
        return endpoint if after == endpoint else self._put(network, endpoint, after, undo)

    def _put(self, network: Network, before: Endpoint, after: Endpoint, undo: Undo) -> Endpoint:
        undo.push(self._take_back, network, [after], before)
        self._publisher.put(network, before, after.published, lambda _: self._save(after))
        return after

    def _take_back(self, network: Network, after: Sequence[Endpoint], before: Endpoint) -> None:
        """Publish what was published before, if something else was stored."""
        if after and self._store.get(Endpoint, before.key):
            self._publisher.put(network, after[0], before.published, lambda _: self._save(before))

    def _save(self, endpoint: Endpoint) -> None:
        self._store.transact(Put(replace(endpoint, sandbox=self._sandboxes.sandbox_of(endpoint))))

    def _check(self, network: Network) -> None:
        name = self._names.network(network.id)
        if network.settings.publish != "pynet":
            raise InvalidRequest(f"pynet publishes no ports of network {name}, because of pynet.publish=engine")
        if not network.host_gateway and not network.internal:
            raise InvalidRequest(
                f"containers of network {name} are on the LAN: their ports are open at their own addresses, and "
                "the host publishes none of them"
            )
        if not self._exposure.may_publish(network):
            raise InvalidRequest(f"network {name} is internal or leads nowhere, so no port can be published")


def _place(port: Published) -> Place:
    return port.proto, port.port if port.host is None else port.host_port


def _place_of(binding: PortBinding) -> Place:
    return binding.proto, binding.host_port or binding.port


def _text(proto: int, port: int) -> str:
    return f"{port}/{PROTOCOLS[proto]}"
