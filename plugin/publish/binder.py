"""Takes ports of the host and gives them back."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from netlink.errors import Exists, KernelError, Missing
from netlink.port_sockets import PortSocket
from plugin.errors import Conflict, Exhausted, InvalidRequest
from plugin.firewall.firewall import Firewall
from plugin.firewall.wants import PORTS_OF
from plugin.interfaces import Links, PortSockets
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Published
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import PortBinding
from plugin.publish import bindings as b
from plugin.publish.book import Book, Holds, Key, WantedSocket
from plugin.publish.refusals import Refusals

log = structlog.get_logger()


class Binder:
    """Holds ports, notes them in the book, and explains why a port cannot be held."""

    def __init__(self, kernel: Links, sockets: PortSockets, firewall: Firewall, book: Book, refusals: Refusals) -> None:
        self._kernel = kernel
        self._sockets = sockets
        self._firewall = firewall
        self._book = book
        self.refusals = refusals

    def bind_all(
        self, endpoint: Endpoint, settings: NetworkSettings, request: b.PortRequest, before: Holds, after: Holds
    ) -> tuple[Published, ...]:
        """Hold the ports of ``request`` and add them to ``after``; reuse those that ``before`` holds already.

        Raises:
            Exhausted: there are more ports than sockets that this process may hold.
        """
        found: list[Published] = []
        known: dict[tuple[int, str], b.Reachability] = {}
        for binding in request.bindings:
            alike = binding.proto, binding.host_ip
            if alike not in known:
                known[alike] = b.reachability(endpoint, settings, binding, request.families)
        wanted = sum(len(b.sockets_for(known[each.proto, each.host_ip].host_bindings)) for each in request.bindings)
        self._check_room(wanted - len(before), len(request.bindings))
        for binding in request.bindings:
            where = known[binding.proto, binding.host_ip]
            found += [Published(binding.proto, binding.port, target) for target in where.routed]
            if where.host_bindings:
                found += self.bind(endpoint, binding, where.host_bindings, before, after)
            elif request.families and not where.routed:
                details = {"port": binding.port, "host": binding.host_ip, "endpoint": endpoint.id[:12]}
                log.warning("port published nowhere", **details)
        return tuple(found)

    def bind_exactly(self, endpoint: Endpoint, published: Sequence[Published], before: Holds, after: Holds) -> None:
        """Hold the ports of ``published``, which have host ports already."""
        for (proto, port, host_port), host_bindings in b.by_port(published).items():
            self.bind(endpoint, PortBinding(proto, port, host_port=host_port), host_bindings, before, after)

    def bind_more(
        self, endpoint: Endpoint, settings: NetworkSettings, request: b.PortRequest, after: Holds
    ) -> tuple[list[Published], list[PortBinding]]:
        """Hold more ports, none of which the endpoint has yet; return them, and the bindings with their host ports.

        Raises:
            InvalidRequest: a port would be published nowhere.
        """
        found, resolved = list[Published](), list[PortBinding]()
        bare = replace(endpoint, published=())
        for binding in request.bindings:
            fresh = Holds()
            new = self.bind_all(bare, settings, b.PortRequest((binding,), request.families), {}, fresh)
            after |= fresh
            if not new:
                raise InvalidRequest(f"publish port {binding.port}: the container has no address for it")
            found += new
            resolved.append(replace(binding, host_port=new[0].host_port, host_port_end=new[0].host_port))
        return found, resolved

    def bind(
        self,
        endpoint: Endpoint,
        binding: PortBinding,
        host_bindings: Sequence[b.HostBinding],
        before: Holds,
        after: Holds,
    ) -> list[Published]:
        """Hold one port on all ``host_bindings``: the first candidate that is free on each of them."""
        own = ChainMap(after, before)
        refused: tuple[WantedSocket, KernelError] | None = None
        for candidate in b.candidates(binding, endpoint.published):
            holds: Holds = {}
            port = candidate
            try:
                for at, both in b.sockets_for(host_bindings):
                    half = (binding.proto, b.EVERYWHERE[0], port)
                    dual = both and half not in own
                    if both and half in own:  # another network published IPv6 until now; 29.0 sends no Revoke for that
                        holds[half] = own[half]
                    hold = own.get((binding.proto, at.host, port)) or self.hold(binding, at, port, dual=dual)
                    port = hold.port
                    holds[binding.proto, at.host, port] = hold
            except (Exists, Missing) as error:
                self.release(holds, unless=own)
                refused = WantedSocket(binding.proto, at.host, port, dual=dual), error
            except BaseException:
                self.release(holds, unless=own)
                raise
            else:
                after |= holds
                return [Published(binding.proto, binding.port, at.target, at.host, port) for at in host_bindings]
        raise self.refusals.of(binding, *refused) if refused else Conflict("")

    def hold(self, what: PortBinding | Published, at: b.HostBinding, port: int, *, dual: bool) -> PortSocket:
        """Take ``port`` for ``at``; raises like ``PortSockets.hold``."""
        relay_to = (at.target, what.port) if at.relayed else None
        try:
            return self._sockets.hold(what.proto, at.host, port, relay_to, dual=dual)
        except Exists:
            if not self._take_from_lost(WantedSocket(what.proto, at.host, port, dual=dual)):
                raise
        return self._sockets.hold(what.proto, at.host, port, relay_to, dual=dual)

    def release(self, holds: Holds, unless: Mapping[Key, PortSocket] | None = None) -> None:
        """Give back the ports of ``holds`` that are not in ``unless``."""
        self._sockets.release([hold for key, hold in holds.items() if unless is None or key not in unless])

    def _check_room(self, more: int, ports: int) -> None:
        """Refuse ``more`` sockets for ``ports`` than fit, before any is made."""
        most, room = self._sockets.most, self._sockets.most - self._sockets.held
        if more > max(0, room):
            raise Exhausted(
                f"publish {ports} ports: {max(0, room)} more can be held of {most}, because a port takes an open file, "
                "and the process may not open more; raise LimitNOFILE of the unit, or --ulimit nofile of the container"
            )

    def _take_from_lost(self, wanted: WantedSocket) -> bool:
        """Release all ports of endpoints that hold the wanted port but have no link; return whether there were any.

        A killed engine forgets its endpoints without telling us, and starts the containers again with the same ports.
        """
        lost = [other for other in self._book.in_the_way(wanted) if not self._kernel.link_exists(host_link_name(other))]
        for other in lost:
            log.info("ports taken from an endpoint whose link is gone", endpoint=other[:12], port=wanted.port)
            self._firewall.forget(ports_owner(other))
            self.release(self._book.of(other))
            self._book.write(other, {}, keep=False)
        return bool(lost)


def ports_owner(endpoint_id: str) -> str:
    """Return the name under which the firewall knows the ports of an endpoint."""
    return PORTS_OF + endpoint_id
