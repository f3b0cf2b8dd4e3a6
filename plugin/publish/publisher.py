"""Publishes ports. A socket holds each port and an nftables map has an element for it: no process, no rule."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import structlog

from netlink.conntrack import UdpPort
from netlink.errors import Exists, KernelError, Missing
from netlink.port_sockets import PortSocket
from plugin.engine.names import Names
from plugin.firewall.elements import PROTOCOLS, port_elements
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Conntrack, Kernel, PortSockets
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Published
from plugin.protocol.messages import PortBinding
from plugin.publish.binder import Binder, ports_owner
from plugin.publish.bindings import HostBinding, PortRequest, by_port, sockets_for
from plugin.publish.book import Book, Holds, Key, WantedSocket
from plugin.publish.refusals import Refusals
from plugin.request.undo import Undo

log = structlog.get_logger()

UDP = 17
Save = Callable[[tuple[Published, ...]], None]  # makes published ports durable
SaveAdded = Callable[[tuple[Published, ...], Sequence[PortBinding]], None]
Bind = Callable[[Holds, Holds], tuple[Published, ...]]  # holds before and after
BRIDGED_RULES = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")


class Publisher:
    """Publishes and withdraws the ports of endpoints; the caller holds the lock of the endpoint."""

    def __init__(
        self,
        kernel: Kernel,
        sockets: PortSockets,
        firewall: Firewall,
        conntrack: Conntrack,
        names: Names | None = None,
    ) -> None:
        self._kernel = kernel
        self._sockets = sockets
        self._firewall = firewall
        self._conntrack = conntrack
        self._book = Book()
        self._binder = Binder(kernel, sockets, firewall, self._book, Refusals(self._book, sockets, names or Names()))

    def sockets(self) -> tuple[int, int]:
        """Return how many sockets are held for ports, and how many may be."""
        return self._sockets.held, self._sockets.most

    def publishes(self, endpoint_id: str) -> bool:
        """Return whether the endpoint has published ports, without asking the store."""
        return self._book.knows(endpoint_id)

    def publish(self, network: Network, endpoint: Endpoint, request: PortRequest, save: Save) -> None:
        """Publish the ports of ``request`` instead of those that are published now: all of them or none.

        ``save`` makes the result durable.

        Raises:
            Conflict: a port is taken; the text names the port and its holder.
            InvalidRequest: a request that nobody can fulfil.
            KernelError: the kernel refused.
        """

        def bind(before: Holds, after: Holds) -> tuple[Published, ...]:
            return () if network.internal else self._binder.bind_all(endpoint, network.settings, request, before, after)

        self._replace(network, endpoint, request.families, bind, save)

    def put(self, network: Network, endpoint: Endpoint, published: tuple[Published, ...], save: Save) -> None:
        """Publish exactly ``published``; otherwise like ``publish``."""

        def bind(before: Holds, after: Holds) -> tuple[Published, ...]:
            self._binder.bind_exactly(endpoint, published, before, after)
            return published

        self._replace(network, endpoint, sorted(_families(published)), bind, save)

    def add(self, network: Network, endpoint: Endpoint, request: PortRequest, save: SaveAdded) -> None:
        """Publish the ports of ``request`` beside the present ones; otherwise like ``publish``.

        ``save`` also gets the bindings, each with the host port that it has now.
        """
        added: list[PortBinding] = []

        def bind(before: Holds, after: Holds) -> tuple[Published, ...]:
            self._binder.bind_exactly(endpoint, endpoint.published, before, after)
            new, resolved = self._binder.bind_more(endpoint, network.settings, request, after)
            added.extend(resolved)
            return (*endpoint.published, *new)

        families = sorted({*request.families, *_families(endpoint.published)})
        self._replace(network, endpoint, families, bind, lambda published: save(published, added))

    def _replace(self, network: Network, endpoint: Endpoint, families: Sequence[int], bind: Bind, save: Save) -> None:
        before = self._leave_others(endpoint, families)
        after: Holds = {}
        try:
            published = bind(before, after)
            self.translate(network, endpoint, published)
            with Undo() as undo:  # if undoing fails too, the callers settle it, or the reconciler finds it
                undo.push(self.translate, network, endpoint, endpoint.published)
                save(published)
        except BaseException:
            self._binder.release(after, unless=before)
            self._take_again(endpoint)
            raise
        self._book.write(endpoint.id, after, keep=bool(published or endpoint.added))
        self._binder.release(before, unless=after)
        self._sockets.serve([hold for key, hold in after.items() if key not in before])
        self._set_hairpin(endpoint)
        self._forget_flows((*endpoint.published, *published))

    def withdraw(self, endpoint: Endpoint, *, keep: bool = False) -> None:
        """Withdraw all ports of the endpoint; those that are gone already are passed over.

        With ``keep`` it still counts as one that publishes ports: it has ports to publish when the engine asks again.
        """
        self._firewall.forget(ports_owner(endpoint.id))
        self._binder.release(self._book.of(endpoint.id))
        self._book.write(endpoint.id, {}, keep=keep)
        self._forget_flows(endpoint.published)

    def translate(self, network: Network, endpoint: Endpoint, published: Sequence[Published]) -> None:
        """Write the rules of the endpoint for exactly these ``published`` ports."""
        if published:
            self._firewall.put(ports_owner(endpoint.id), port_elements(network, endpoint, published))
        else:
            self._firewall.forget(ports_owner(endpoint.id))

    def held(self) -> Container[Key]:
        """Return the ports that are held, as they are whenever one is asked for: a copy would cost 15,000 a network."""
        return self._book

    def restore(self, endpoint: Endpoint) -> dict[Key, KernelError]:
        """Hold the ports of a known endpoint that are not held yet, and return those that were refused.

        The rules that translate them are written with the tables.
        """
        fresh, refused = self._hold_again(endpoint)
        self._sockets.serve(fresh.values())
        return refused

    def restore_all(self, endpoints: Iterable[Endpoint]) -> list[tuple[Endpoint, Sequence[Key]]]:
        """Hold the ports of ``endpoints`` as ``restore`` does, and return the endpoints with refused ports."""
        fresh: list[PortSocket] = []
        found: list[tuple[Endpoint, Sequence[Key]]] = []
        for endpoint in endpoints:
            holds, refused = self._hold_again(endpoint)
            fresh += holds.values()
            if refused:
                found.append((endpoint, list(refused)))
        self._sockets.serve(fresh)
        return found

    def _hold_again(self, endpoint: Endpoint) -> tuple[Holds, dict[Key, KernelError]]:
        """Hold the ports that are not held yet; return them, and those that were refused."""
        before, fresh, refused = self._book.of(endpoint.id), Holds(), dict[Key, KernelError]()
        for port, at, dual in to_hold(endpoint.published):
            key = port.proto, at.host, port.host_port
            if key not in before:
                try:
                    fresh[key] = self._binder.hold(port, at, port.host_port, dual=dual)
                except Exists:
                    what = f"hold port {port.host_port}/{PROTOCOLS[port.proto]}"
                    refused[key] = Exists(f"{what} on {self._binder.refusals.taken(WantedSocket(*key, dual=dual))}")
                except KernelError as error:
                    refused[key] = error
        self._book.write(endpoint.id, {**before, **fresh}, keep=bool(endpoint.published or endpoint.added))
        return fresh, refused

    def reattached(self, endpoint: Endpoint) -> None:
        """Set hairpin mode again, which a port of a bridge loses when it leaves the bridge."""
        if endpoint.published:
            self._set_hairpin(endpoint)

    def close(self) -> None:
        """Release every port, as the end of the process would; records and rules stay."""
        for holds in self._book.clear():
            self._binder.release(holds)

    def _leave_others(self, endpoint: Endpoint, families: Sequence[int]) -> Holds:
        """Release the ports that another endpoint of the container is about to hold, and return the others.

        A socket that serves both families is released as a whole; the port is then taken again for one of them.
        """
        before = self._book.of(endpoint.id)
        left = {
            key: hold
            for key, hold in before.items()
            if all(address.version in families for address in WantedSocket(*key, dual=hold.dual).addresses)
        }
        if len(left) < len(before):
            self._book.write(endpoint.id, left, keep=True)
            self._binder.release(before, unless=left)
        return left

    def _take_again(self, endpoint: Endpoint) -> None:
        """Hold the ports again that were released for something that then failed."""
        for (proto, host, port), error in self.restore(endpoint).items():
            what = f"{port}/{PROTOCOLS[proto]} on {host}"
            log.warning("published port not held for now", port=what, endpoint=endpoint.id[:12], error=str(error))

    def _set_hairpin(self, endpoint: Endpoint) -> None:
        """Enable hairpin mode on the container's bridge port.

        With br_netfilter, traffic to its own published port must leave through the port on which it arrived.
        """
        try:
            if any(self._kernel.read_setting(path) == "1" for path in BRIDGED_RULES):
                self._kernel.set_hairpin(host_link_name(endpoint.id))
        except Missing:
            pass  # no br_netfilter
        except KernelError as error:
            log.warning("container does not reach its own published ports", error=str(error))

    def _forget_flows(self, published: Sequence[Published]) -> None:
        """Forget UDP flows, which would keep going to the old container; a failure here undoes nothing."""
        datagrams = {UdpPort(p.target, p.port, p.host, p.host_port) for p in published if p.proto == UDP}
        if not datagrams:
            return
        try:
            self._conntrack.forget_udp(datagrams)
        except KernelError as error:
            log.warning("old UDP flows not forgotten", error=str(error))


def _families(published: Sequence[Published]) -> set[int]:
    return {port.host.version for port in published if port.host is not None}


def to_hold(published: Sequence[Published]) -> Iterator[tuple[Published, HostBinding, bool]]:
    """Yield each port that needs a socket, its host binding, and whether the socket serves both families."""
    for (proto, port, host_port), host_bindings in by_port(published).items():
        for at, dual in sockets_for(host_bindings):
            yield Published(proto, port, at.target, at.host, host_port), at, dual
