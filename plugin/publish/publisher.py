"""Publishing ports: each is held by a socket and is an element of an nftables map; no process and no rule a port."""

from collections.abc import Callable, Iterator, Sequence

import structlog

from netlink.conntrack import UdpPort
from netlink.errors import Exists, KernelError, Missing
from plugin.engine.names import Names
from plugin.firewall.elements import PROTOCOLS, port_elements
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Conntrack, Kernel, PortSockets
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Published
from plugin.protocol.messages import PortBinding
from plugin.publish.binder import Binder, ports_owner
from plugin.publish.bindings import HostBinding, PortRequest, sockets_for, together
from plugin.publish.book import Book, Holds, Key, Wanted
from plugin.publish.refusals import Refusals
from plugin.request.undo import Undo

log = structlog.get_logger()

UDP = 17
BRIDGED_RULES = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")


class Publisher:
    """Knows which endpoint holds which port; the caller has the endpoint's lock."""

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

    def publishes(self, endpoint_id: str) -> bool:
        """Say whether the endpoint has published ports, without asking the store."""
        return self._book.knows(endpoint_id)

    def publish(
        self,
        network: Network,
        endpoint: Endpoint,
        wishes: PortRequest,
        save: Callable[[tuple[Published, ...]], None],
    ) -> None:
        """Publish what ``wishes`` name in the place of what the endpoint publishes now; all of it or nothing.

        ``save`` makes the result durable.

        Raises:
            Conflict: a port is taken; the text names it and who has it.
            InvalidRequest: a wish that nobody can fulfil.
            KernelError: the kernel refused.
        """
        settings = network.settings

        def bind(before: Holds, after: Holds) -> tuple[Published, ...]:
            return () if network.internal else self._binder.bind_all(endpoint, settings, wishes, before, after)

        self._replace(network, endpoint, wishes.families, bind, save)

    def put(
        self,
        network: Network,
        endpoint: Endpoint,
        published: tuple[Published, ...],
        save: Callable[[tuple[Published, ...]], None],
    ) -> None:
        """Publish exactly ``published``, otherwise as ``publish``."""

        def bind(before: Holds, after: Holds) -> tuple[Published, ...]:
            for (proto, port, host_port), places in together(published).items():
                self._binder.bind(endpoint, PortBinding(proto, port, host_port=host_port), places, before, after)
            return published

        families = sorted({port.host.version for port in published if port.host is not None})
        self._replace(network, endpoint, families, bind, save)

    def _replace(
        self,
        network: Network,
        endpoint: Endpoint,
        families: Sequence[int],
        bind: Callable[[Holds, Holds], tuple[Published, ...]],
        save: Callable[[tuple[Published, ...]], None],
    ) -> None:
        before = self._leave_others(endpoint, families)
        after: Holds = {}
        try:
            published = bind(before, after)
            self.translate(network, endpoint, published)
            with Undo() as undo:  # what fails here too is settled by the callers, or found by a look at the records
                undo.push(self.translate, network, endpoint, endpoint.published)
                save(published)
        except BaseException:
            self._binder.release(after, unless=before)
            self._take_again(endpoint)
            raise
        self._book.write(endpoint.id, after, keep=bool(published))
        self._binder.release(before, unless=after)
        self._sockets.serve([hold for key, hold in after.items() if key not in before])
        self._let_turn_back(endpoint)
        self._forget_flows((*endpoint.published, *published))

    def withdraw(self, endpoint: Endpoint) -> None:
        """Publish nothing of the endpoint any more; what is gone already is passed over."""
        self._firewall.forget(ports_owner(endpoint.id))
        self._binder.release(self._book.of(endpoint.id))
        self._book.write(endpoint.id, {}, keep=False)
        self._forget_flows(endpoint.published)

    def translate(self, network: Network, endpoint: Endpoint, published: Sequence[Published]) -> None:
        """Let the rules of the endpoint lead to what is ``published``, whatever they do now."""
        if published:
            self._firewall.put(ports_owner(endpoint.id), port_elements(network, published))
        else:
            self._firewall.forget(ports_owner(endpoint.id))

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
                    fresh[key] = self._binder.hold(port, place, port.host_port, dual=dual)
                except Exists:
                    what = f"hold port {port.host_port}/{PROTOCOLS[port.proto]}"
                    refused[key] = Exists(f"{what} on {self._binder.refusals.taken(Wanted(*key, dual=dual))}")
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
            self._binder.release(holds)

    def _leave_others(self, endpoint: Endpoint, families: Sequence[int]) -> Holds:
        """Give back what another endpoint of the container is about to hold, and return what is left.

        A socket that is for both families is given back as a whole, and the port taken again for one of them.
        """
        before = self._book.of(endpoint.id)
        left = {
            key: hold
            for key, hold in before.items()
            if all(address.version in families for address in Wanted(*key, dual=hold.dual).addresses)
        }
        if len(left) < len(before):
            self._book.write(endpoint.id, left, keep=True)
            self._binder.release(before, unless=left)
        return left

    def _take_again(self, endpoint: Endpoint) -> None:
        """Take back what was given to others for something that then failed."""
        for (proto, host, port), error in self.restore(endpoint).items():
            what = f"{port}/{PROTOCOLS[proto]} on {host}"
            log.warning("published port not held for now", port=what, endpoint=endpoint.id[:12], error=str(error))

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


def to_hold(published: Sequence[Published]) -> Iterator[tuple[Published, HostBinding, bool]]:
    """Yield each port that needs a socket, its place, and whether that is for both families."""
    for (proto, port, host_port), places in together(published).items():
        for place, dual in sockets_for(places):
            yield Published(proto, port, place.target, place.host, host_port), place, dual
