"""Taking and giving back the ports of the host."""

from collections import ChainMap
from collections.abc import Mapping, Sequence

import structlog

from netlink.errors import Exists, KernelError, Missing
from netlink.port_sockets import PortSocket
from plugin.errors import Conflict
from plugin.firewall.firewall import Firewall
from plugin.firewall.ruleset import PORTS_OF
from plugin.interfaces import Kernel, PortSockets
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Published
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import PortBinding
from plugin.publish.bindings import EVERYWHERE, HostBinding, PortRequest, Reachability, candidates, reach, sockets_for
from plugin.publish.book import Book, Holds, Key, Wanted
from plugin.publish.refusals import Refusals

log = structlog.get_logger()


class Binder:
    """Holds ports, and says why one cannot be held; the book tells what is held."""

    def __init__(
        self, kernel: Kernel, sockets: PortSockets, firewall: Firewall, book: Book, refusals: Refusals
    ) -> None:
        self._kernel = kernel
        self._sockets = sockets
        self._firewall = firewall
        self._book = book
        self.refusals = refusals

    def bind_all(
        self, endpoint: Endpoint, settings: NetworkSettings, wishes: PortRequest, before: Holds, after: Holds
    ) -> tuple[Published, ...]:
        """Hold what ``wishes`` name; ``after`` gets what is held, of which ``before`` was held already."""
        found: list[Published] = []
        known: dict[tuple[int, str], Reachability] = {}
        for binding in wishes.bindings:
            alike = binding.proto, binding.host_ip
            if alike not in known:
                known[alike] = reach(endpoint, settings, binding, wishes.families)
            where = known[alike]
            found += [Published(binding.proto, binding.port, target) for target in where.routed]
            if where.places:
                found += self.bind(endpoint, binding, where.places, before, after)
            elif wishes.families and not where.routed:
                details = {"port": binding.port, "host": binding.host_ip, "endpoint": endpoint.id[:12]}
                log.warning("port published nowhere", **details)
        return tuple(found)

    def bind(
        self, endpoint: Endpoint, binding: PortBinding, places: Sequence[HostBinding], before: Holds, after: Holds
    ) -> list[Published]:
        """Hold one port on all places, the first of the candidates that is free on each."""
        own = ChainMap(after, before)
        refused: tuple[Wanted, KernelError] | None = None
        for candidate in candidates(binding, endpoint.published):
            holds: Holds = {}
            port = candidate
            try:
                for place, both in sockets_for(places):
                    half = (binding.proto, EVERYWHERE[0], port)
                    dual = both and half not in own
                    if both and half in own:  # IPv6 was another network's until now, which takes no Revoke (29.0)
                        holds[half] = own[half]
                    hold = own.get((binding.proto, place.host, port)) or self.hold(binding, place, port, dual=dual)
                    port = hold.port
                    holds[binding.proto, place.host, port] = hold
            except (Exists, Missing) as error:
                self.release(holds, unless=own)
                refused = Wanted(binding.proto, place.host, port, dual=dual), error
            except BaseException:
                self.release(holds, unless=own)
                raise
            else:
                after |= holds
                return [Published(binding.proto, binding.port, place.target, place.host, port) for place in places]
        raise self.refusals.of(binding, *refused) if refused else Conflict("")

    def hold(self, what: PortBinding | Published, place: HostBinding, port: int, *, dual: bool) -> PortSocket:
        """Take ``port`` for ``place``; raises what ``PortSockets.hold`` does."""
        relay_to = (place.target, what.port) if place.relayed else None
        try:
            return self._sockets.hold(what.proto, place.host, port, relay_to, dual=dual)
        except Exists:
            if not self._take_from_lost(Wanted(what.proto, place.host, port, dual=dual)):
                raise
        return self._sockets.hold(what.proto, place.host, port, relay_to, dual=dual)

    def release(self, holds: Holds, unless: Mapping[Key, PortSocket] | None = None) -> None:
        """Give back what ``holds`` has and ``unless`` has not."""
        self._sockets.release([hold for key, hold in holds.items() if unless is None or key not in unless])

    def _take_from_lost(self, wanted: Wanted) -> bool:
        """Give a port back that endpoints without a link hold, and all others of them; say whether there were any.

        An engine that was killed forgets its endpoints without a word, and starts the containers with the same ports.
        """
        lost = [other for other in self._book.in_the_way(wanted) if not self._kernel.link_exists(host_link_name(other))]
        for other in lost:
            log.info("ports taken from an endpoint whose link is gone", endpoint=other[:12], port=wanted.port)
            self._firewall.forget(ports_owner(other))
            self.release(self._book.of(other))
            self._book.write(other, {}, keep=False)
        return bool(lost)


def ports_owner(endpoint_id: str) -> str:
    """Name under which the firewall knows the ports of an endpoint."""
    return PORTS_OF + endpoint_id
