"""Publishing ports: each is held by a socket and is an element of an nftables map; no process and no rule a port."""

from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog

from netlink.conntrack import UdpPort
from netlink.errors import Exists, KernelError, Missing
from netlink.holds import Hold
from plugin.errors import Conflict
from plugin.firewall.elements import PROTOCOLS, port_elements
from plugin.firewall.firewall import Firewall
from plugin.messages import PortBinding
from plugin.model import Endpoint, Network, Published, host_link_name
from plugin.network_options import NETWORK_OPTIONS
from plugin.options import Values, read_options
from plugin.ports import Conntrack, Kernel, Sockets
from plugin.publish.book import Book, Holds, Key, Wanted
from plugin.publish.places import EVERYWHERE, Place, Reach, Wishes, candidates, reach, sockets_for
from plugin.publish.refusals import Refusals

log = structlog.get_logger()

UDP = 17
BRIDGED_RULES = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")


class Publisher:
    """Knows which endpoint holds which port; the caller has the endpoint's lock."""

    def __init__(self, kernel: Kernel, sockets: Sockets, firewall: Firewall, conntrack: Conntrack) -> None:
        self._kernel = kernel
        self._sockets = sockets
        self._firewall = firewall
        self._conntrack = conntrack
        self._book = Book()
        self._refusals = Refusals(self._book, sockets)

    def publishes(self, endpoint_id: str) -> bool:
        """Say whether the endpoint has published ports, without asking the store."""
        return self._book.knows(endpoint_id)

    def publish(
        self,
        network: Network,
        endpoint: Endpoint,
        wishes: Wishes,
        save: Callable[[tuple[Published, ...]], None],
    ) -> None:
        """Publish what ``wishes`` name in the place of what the endpoint publishes now; all of it or nothing.

        ``save`` makes the result durable.

        Raises:
            Conflict: a port is taken; the text names it and who has it.
            InvalidRequest: a wish that nobody can fulfil.
            KernelError: the kernel refused.
        """
        options = read_options(NETWORK_OPTIONS, network.options)
        before = self._book.of(endpoint.id)
        before = self._leave_others(before, wishes.families)
        after: Holds = {}
        try:
            published = () if network.internal else self._bind_all(endpoint, options, wishes, before, after)
            self._translate(network, endpoint, published)
            try:
                save(published)
            except BaseException:
                self._translate(network, endpoint, endpoint.published)
                raise
        except BaseException:
            self._release(after, unless=before)
            raise
        self._book.write(endpoint.id, after, keep=bool(published))
        self._release(before, unless=after)
        self._sockets.serve([hold for key, hold in after.items() if key not in before])
        self._let_turn_back(endpoint)
        self._forget_flows((*endpoint.published, *published))

    def withdraw(self, endpoint: Endpoint) -> None:
        """Publish nothing of the endpoint any more; what is gone already is passed over."""
        self._firewall.forget(ports_owner(endpoint.id))
        self._release(self._book.of(endpoint.id))
        self._book.write(endpoint.id, {}, keep=False)
        self._forget_flows(endpoint.published)

    def held(self) -> frozenset[Key]:
        """Return every port that is held."""
        return self._book.held()

    def restore(self, endpoint: Endpoint) -> dict[Key, KernelError]:
        """Hold those ports of a known endpoint that are not held, and return what was refused.

        Their translation is written with the tables.
        """
        before, fresh, refused = self._book.of(endpoint.id), Holds(), dict[Key, KernelError]()
        for port, place, dual in to_hold(endpoint.published):
            key = port.proto, place.host, port.host_port
            if key not in before:
                try:
                    fresh[key] = self._hold(port, place, port.host_port, dual=dual)
                except Exists:
                    what = f"hold port {port.host_port}/{PROTOCOLS[port.proto]}"
                    refused[key] = Exists(f"{what} on {self._refusals.taken(Wanted(*key, dual=dual))}")
                except KernelError as error:
                    refused[key] = error
        self._book.write(endpoint.id, {**before, **fresh}, keep=bool(endpoint.published))
        self._sockets.serve(fresh.values())
        return refused

    def reattached(self, endpoint: Endpoint) -> None:
        """Give a port of a bridge back what it lost when it left the bridge."""
        if endpoint.published:
            self._let_turn_back(endpoint)

    def close(self) -> None:
        """Give every port back, as the end of the process would; what is published stays published."""
        for holds in self._book.clear():
            self._release(holds)

    def _translate(self, network: Network, endpoint: Endpoint, published: Sequence[Published]) -> None:
        if published:
            self._firewall.put(ports_owner(endpoint.id), port_elements(network, published))
        else:
            self._firewall.forget(ports_owner(endpoint.id))

    def _bind_all(
        self, endpoint: Endpoint, options: Values, wishes: Wishes, before: Holds, after: Holds
    ) -> tuple[Published, ...]:
        found: list[Published] = []
        known: dict[tuple[int, str], Reach] = {}
        for binding in wishes.bindings:
            alike = binding.proto, binding.host_ip
            if alike not in known:
                known[alike] = reach(endpoint, options, binding, wishes.families)
            where = known[alike]
            found += [Published(binding.proto, binding.port, target) for target in where.routed]
            if where.places:
                found += self._bind(endpoint, binding, where.places, before, after)
        return tuple(found)

    def _bind(
        self, endpoint: Endpoint, binding: PortBinding, places: Sequence[Place], before: Holds, after: Holds
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
                    hold = own.get((binding.proto, place.host, port)) or self._hold(binding, place, port, dual=dual)
                    port = hold.port
                    holds[binding.proto, place.host, port] = hold
            except (Exists, Missing) as error:
                self._release(holds, unless=own)
                refused = Wanted(binding.proto, place.host, port, dual=dual), error
            except BaseException:
                self._release(holds, unless=own)
                raise
            else:
                after |= holds
                return [Published(binding.proto, binding.port, place.target, place.host, port) for place in places]
        raise self._refusals.of(binding, *refused) if refused else Conflict("")

    def _hold(self, what: PortBinding | Published, place: Place, port: int, *, dual: bool) -> Hold:
        relay_to = (place.target, what.port) if place.relayed else None
        try:
            return self._sockets.hold(what.proto, place.host, port, relay_to, dual=dual)
        except Exists:
            if not self._take_from_lost(Wanted(what.proto, place.host, port, dual=dual)):
                raise
        return self._sockets.hold(what.proto, place.host, port, relay_to, dual=dual)

    def _take_from_lost(self, wanted: Wanted) -> bool:
        """Give a port back that endpoints without a link hold, and all others of them; say whether there were any.

        An engine that was killed forgets its endpoints without a word, and starts the containers with the same ports.
        """
        lost = [other for other in self._book.in_the_way(wanted) if not self._kernel.link_exists(host_link_name(other))]
        for other in lost:
            log.info("ports taken from an endpoint whose link is gone", endpoint=other[:12], port=wanted.port)
            self._firewall.forget(ports_owner(other))
            self._release(self._book.of(other))
            self._book.write(other, {}, keep=False)
        return bool(lost)

    def _leave_others(self, before: Holds, families: Sequence[int]) -> Holds:
        """Give back what another endpoint of the container is about to hold."""
        self._release({key: hold for key, hold in before.items() if key[1].version not in families})
        return {key: hold for key, hold in before.items() if key[1].version in families}

    def _release(self, holds: Holds, unless: Mapping[Key, Hold] | None = None) -> None:
        self._sockets.release([hold for key, hold in holds.items() if unless is None or key not in unless])

    def _let_turn_back(self, endpoint: Endpoint) -> None:
        """Let the container reach itself where br_netfilter translates on the bridge: the frame leaves as it came."""
        try:
            if any(self._kernel.read_setting(path) == "1" for path in BRIDGED_RULES):
                self._kernel.set_hairpin(host_link_name(endpoint.id))
        except Missing:
            pass  # no br_netfilter
        except KernelError as error:
            log.warning("container does not reach its own published ports", error=str(error))

    def _forget_flows(self, published: Sequence[Published]) -> None:
        """An old UDP flow would go on to where it went before; a failure must not undo what is published."""
        datagrams = {UdpPort(p.target, p.port, p.host, p.host_port) for p in published if p.proto == UDP}
        if not datagrams:
            return
        try:
            self._conntrack.forget_udp(datagrams)
        except KernelError as error:
            log.warning("old UDP flows not forgotten", error=str(error))


def ports_owner(endpoint_id: str) -> str:
    """Name under which the firewall knows the ports of an endpoint."""
    return f"ports of {endpoint_id}"


def to_hold(published: Sequence[Published]) -> Iterator[tuple[Published, Place, bool]]:
    """Yield each port that needs a socket, its place, and whether that is for both families."""
    together: dict[tuple[int, int, int], list[tuple[Published, Place]]] = defaultdict(list)
    for port in published:
        if port.host is not None:
            together[port.proto, port.port, port.host_port].append((port, Place(port.host, port.target)))
    for ports in together.values():
        of_place = {place: port for port, place in ports}
        for place, dual in sockets_for(list(of_place)):
            yield of_place[place], place, dual
