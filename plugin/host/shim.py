"""The way between the host and containers that the kernel keeps apart from their parent: a shim, without an address.

    host                                     containers
    ┌───────────────────────────────┐
    │ eth0, the parent, 192.168.1.5 ├──► LAN
    │   └─ pns…, the shim ──────────┼──► eth0 192.168.1.64, to which a route leads, with 192.168.1.5 as its source
    └───────────────────────────────┘

The shim is one more child of the parent, like the links of the containers, and stays on the host. All networks of the
parent share it; it is made with the first container and goes with the last. It has no address, so that no program of
the host meets one twice; ``netlink.host_routes`` has the reasons for all that is set.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import structlog

from netlink.errors import Exists, Missing
from netlink.host_routes import HostRoute
from netlink.links import Link
from plugin.errors import Conflict
from plugin.firewall.elements import shim_elements
from plugin.firewall.firewall import Firewall
from plugin.host.link_settings import shim_settings
from plugin.host.own_links import OwnLinks
from plugin.interfaces import Kernel
from plugin.model.desired import Desired, SharedLink, WantedLink, WantedRoute, source_for
from plugin.model.link_owner import Owner
from plugin.model.names import PARENT, SHIM, Alias, local_mac, shim_alias, shim_name
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Address
from plugin.request.locks import LockName, Locks
from plugin.request.undo import Undo

log = structlog.get_logger()

WITHOUT_NEIGHBOURS = frozenset({"l3", "l3s"})  # modes of ipvlan, in which nobody is asked for a MAC


class Shims:
    """Makes shims and their routes, and counts their users by the routes in the kernel.

    Every verb may raise ``KernelError``, and takes the lock of the parent.
    """

    def __init__(self, kernel: Kernel, firewall: Firewall, owner: str, locks: Locks) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._owner = owner
        self._locks = locks
        self._links = OwnLinks(kernel, Owner(owner))

    def reached(self, part: Desired, network: Network, endpoint: Endpoint) -> Desired:
        """Return ``part``, which has the link of an endpoint, with the way between the host and its container."""
        child = next((link for link in part.links if link.moves), None)
        addresses = [address for address in (endpoint.ipv4, endpoint.ipv6) if address is not None]
        if child is None or not addresses:
            return part
        name = shim_name(self._owner, network.link)
        mac = "" if child.variety in WITHOUT_NEIGHBOURS else endpoint.mac
        parent = network.parent if child.kind == "macvlan" else None
        own = local_mac(f"{parent.mac}/{self._owner}".encode()) if parent else ""
        alias = shim_alias(self._owner, network.link)
        shim = WantedLink(name, child.kind, alias, own, parent=network.link, variety=child.variety, flag=child.flag)
        routes = [WantedRoute(endpoint.id, address.ip, name, network.link, mac) for address in addresses]
        elements, kept = {**part.elements, name: shim_elements(name)}, (*part.kept, name)
        return replace(
            part, elements=elements, kept=kept, shared=(SharedLink(shim, tuple(shim_settings(name))),), routes=routes
        )

    def make(self, part: Desired, undo: Undo) -> None:
        """Make the shims that ``part`` wants, as far as they are not there, and its routes.

        Raises:
            Conflict: another link has the name, or somebody else has a route to a container.
        """
        if part.shared:
            undo.push(self.release, part.routes)
        for shared in part.shared:
            with self._of(shared.link.parent):
                self._make(shared)
                for route in part.routes:
                    if route.link == shared.link.name:
                        self._set(route)

    def set(self, route: WantedRoute) -> None:
        """Set a route whose shim is there, and forget the source that it had before."""
        with self._of(route.source), suppress(Missing):
            self._set(route)
            self._kernel.end_answers(route.link)

    def unset(self, link: str, destination: Address) -> None:
        """Delete a route, and leave its shim."""
        with suppress(Missing):
            self._kernel.delete_host_route(link, destination)
            self._kernel.end_answers(link)

    def delete(self, name: str) -> None:
        """Delete a shim that no endpoint wants; the caller holds the lock of its parent."""
        self._links.remove(name, "")
        self._firewall.forget(name)

    def release(self, routes: Iterable[WantedRoute]) -> None:
        """Delete routes, and each shim that has none left; what is gone already is passed over."""
        for route in routes:
            with self._of(route.source):
                with suppress(Missing):
                    self._kernel.delete_host_route(route.link, route.destination)
                    self._kernel.end_answers(route.link)
                    if not self._kernel.host_routes(route.link):
                        self._links.remove(route.link, route.source)
                if not self._kernel.link_exists(route.link):
                    self._firewall.forget(route.link)

    def holds(self, name: str) -> bool:
        """Return whether a link is a shim with routes: they come before the record of their endpoint."""
        with suppress(Missing):
            return name.startswith(SHIM) and bool(self._kernel.host_routes(name))
        return False

    @contextmanager
    def _of(self, parent: str) -> Iterator[None]:
        with self._locks.hold(LockName(PARENT, parent)):
            yield

    def _make(self, shared: SharedLink) -> None:
        """Make a shim, unless it is there; one that is not on the parent any more goes."""
        wanted, parent = shared.link, self._kernel.link(shared.link.parent)
        if parent is None:
            raise Missing(f"add '{wanted.name}': there is no link '{wanted.parent}'")
        found = self._links.expect(wanted.name, wanted.parent)
        self._firewall.put(wanted.name, shim_elements(wanted.name))
        if found is not None and found.below == parent.index:
            return
        for old in [found] if found else self._of_earlier_name(wanted.kind, parent):
            self._kernel.delete_link(old)
        self._kernel.add_child(wanted.child)
        self._kernel.finish_link(wanted.name, wanted.alias, {each.path: each.value for each in shared.settings})

    def _of_earlier_name(self, kind: str, parent: Link) -> Sequence[Link]:
        """Return the shims that the parent has from the time when it had another name: their routes are in the way."""
        links = [link for link in self._kernel.links(kind=kind) if link.below == parent.index]
        return [link for link in links if link.name.startswith(SHIM) and Alias.read(link.alias).pynet == self._owner]

    def _set(self, route: WantedRoute) -> None:
        source = source_for(self._kernel.source_addresses(route.source), route.destination)
        if source is None:
            log.warning(
                "container without a way from the host",
                endpoint=route.endpoint[:12],
                address=str(route.destination),
                reason=f"'{route.source}' has no IPv{route.destination.version} address, or is down",
            )
            return
        try:
            self._kernel.set_host_route(route.link, HostRoute(route.destination, source, route.mac))
        except Exists as error:
            raise Conflict(
                f"{error}: somebody else has such a route; delete that one (ip route show {route.destination}), or set "
                "pynet.host_access=off"
            ) from error
