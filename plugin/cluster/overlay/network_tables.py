"""The kernel tables and routes of one overlay network, and the hosts from which the firewall accepts its packets."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

import structlog

from netlink.direct_routes import DirectRoute
from netlink.errors import KernelError, Missing
from netlink.vxlan import EVERYBODY, Remote, VxlanLink
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.overlay.directory import Lead
from plugin.cluster.overlay.forwarding import LocalView, doubt_about_host, local_view
from plugin.cluster.overlay.network_records import Difference, NetworkRecords
from plugin.firewall.elements import link_elements, member_elements
from plugin.firewall.firewall import Firewall
from plugin.firewall.policy_elements import far_group_elements
from plugin.interfaces import Tunnels
from plugin.model.elements import Elements
from plugin.model.records import Network
from plugin.options.tunnel import is_routed, uses_routes, uses_tunnel
from plugin.protocol.messages import Address

log = structlog.get_logger()

ListRoutes = Callable[[], Mapping[int, Set[DirectRoute]]]  # to containers of other hosts, by VNI


class NetworkTables:
    """Writes both; an entry that is refused, here or by the kernel, is left out and logged once."""

    def __init__(
        self, name: str, link: VxlanLink, records: NetworkRecords, tunnels: Tunnels, hops: NextHops, firewall: Firewall
    ) -> None:
        self.name = name
        self.link = link
        self.records = records
        self._tunnels = tunnels
        self._hops = hops
        self._firewall = firewall
        self._guard = threading.Lock()  # guards everything below, and the order of writes
        self._known = False  # whether the kernel's tables are as this object wrote them
        self._accepted: object = None  # hosts and links in the firewall
        self.links = frozenset[str]()  # by which routes lead to other hosts
        self._groups: Mapping[Address, Sequence[str]] = {}  # of endpoints of other hosts, in the firewall
        self._stubborn: dict[Lead, str] = {}  # entries that the kernel refused to add or delete, and why
        self.said: Mapping[str, str] = {}  # what is left out, and why
        self._ended = False

    def write(self, *, check: bool, list_routes: ListRoutes | None = None) -> bool:
        """Write the entries that the records ask for; with ``check``, read the kernel's tables before.

        ``list_routes`` may list them once for several networks; nobody else writes those of this one.

        Nothing is written before the stores were listed: the present tables may be right. Return whether containers of
        other hosts have left a group since the last time, and the kernel may track flows that only the group allowed.

        Raises:
            KernelError, Busy: the tables could not be written; single entries that are refused raise nothing.
        """
        with self._guard:
            if self._ended or not self.records.loaded:
                return False
            known, self._known = self._known, False  # should it fail
            hops = self._hops.towards(self.records.places()) if self.is_routed else None
            new = self.records.difference(everything=check or not known, hops=hops)
            left = self.is_routed and _have_left(self._groups, new.groups)
            if check or (new.hosts, new.links) != self._accepted or new.groups != self._groups:
                self._accepted = None
                self._firewall.put(self.link.name, self._elements(new))  # first, as the hosts may send at once
                self._accepted, self._groups, self.links = (new.hosts, new.links), new.groups, new.links
            if new.wanted is None:
                self._change(new.coming, new.going)
            else:
                before = (new.wanted - new.coming) | new.going if known else None
                self._change(*self._compare(new.wanted, before, list_routes or self._hops.routes.routes))
            self._known = True
            if new.moved:  # neighbours of the container that was here know its MAC, behind which nobody is now
                self._hops.routes.announce(self.link.master, self.records.view.mac, new.moved)
            self._log_refused(new.refused)
            return left

    @property
    def is_routed(self) -> bool:
        """Whether there may be routes to containers of other hosts."""
        return uses_routes(self.records.view.tunnel)

    def retire(self) -> None:
        """Write no more: another object takes over the records and the tables."""
        with self._guard:
            self._ended = True

    def end(self) -> None:
        """Write no more, accept frames from no host, and delete the routes; raises ``KernelError`` and ``Busy``."""
        with self._guard:
            self._ended = True
            self._firewall.forget(self.link.name)
            if self.is_routed:
                end_routes(self._hops, self.link)

    def _elements(self, new: Difference) -> Elements:
        hosts = sorted(new.hosts, key=int) if uses_tunnel(self.records.view.tunnel) else ()
        members = member_elements(self.link.port, self.link.vni, hosts)
        bridge = self.link.master if self.is_routed else ""
        return (*members, *link_elements(new.links), *far_group_elements(self.link.name, new.groups, bridge))

    def _compare(
        self, wanted: set[Lead], before: set[Lead] | None, list_routes: ListRoutes
    ) -> tuple[set[Lead], set[Lead]]:
        """Return the entries that the kernel lacks, and those that it should not have; warn if it lost some."""
        there: set[Lead] = set(self._tunnels.entries(self.link.master, self.link.name))
        there |= list_routes().get(self.link.vni, set()) if self.is_routed else set()
        if before is not None and (drift := there ^ before ^ set(self._stubborn)):
            log.warning("tables were changed by others, written again", network=self.name, entry=str(next(iter(drift))))
        self._stubborn = {}
        return wanted - there, there - wanted

    def _change(self, coming: set[Lead], going: set[Lead]) -> None:
        """Write routes before the entries that bring packets to them, and delete them after these."""
        self._stubborn = {entry: why for entry, why in self._stubborn.items() if entry not in coming | going}
        added, lost = _routes(coming), _routes(going)
        self._route(added, set())
        entries = [{each for each in some if not isinstance(each, DirectRoute)} for some in (coming, going)]
        if any(entries):
            refused = self._tunnels.change(self.link.master, self.link.name, *entries)
            self._stubborn |= {entry: str(error) for entry, error in refused.items()}
        kept = {route.to for route in added}  # replaced
        self._route(set(), {route for route in lost if route.to not in kept})

    def _route(self, coming: set[DirectRoute], going: set[DirectRoute]) -> None:
        if coming or going:
            refused = self._hops.routes.change_routes(self.link.vni, coming, going)
            self._stubborn |= {route: str(error) for route, error in refused.items()}

    def _log_refused(self, refused: Mapping[str, str]) -> None:
        """Log entries that are refused now and were not the last time."""
        refused = {**refused, **{f"entry {entry}": why for entry, why in self._stubborn.items()}}
        for what, why in refused.items():
            if self.said.get(what) != why:
                log.warning("left out of the tables of a network", network=self.name, what=what, reason=why)
        self.said = refused


def _have_left(before: Mapping[Address, Sequence[str]], now: Mapping[Address, Sequence[str]]) -> bool:
    return before is not now and any(set(groups) - set(now.get(address, ())) for address, groups in before.items())


def _routes(entries: Iterable[Lead]) -> set[DirectRoute]:
    return {entry for entry in entries if isinstance(entry, DirectRoute)}


def end_routes(hops: NextHops, link: VxlanLink) -> None:
    """Delete the routes of the network behind ``link``; raises ``KernelError``."""
    hops.routes.change_routes(link.vni, (), hops.routes.routes().get(link.vni, ()))


def elements_left(network: Network, link: VxlanLink, host: str, tunnels: Tunnels, list_routes: ListRoutes) -> Elements:
    """Return the elements for the hosts and links in tables and routes that an earlier run left.

    The hosts are those that get frames to all.
    """
    entries: set[Lead] = set()
    try:
        entries |= list_routes().get(link.vni, set()) if is_routed(network.options) else set()
        entries |= tunnels.entries(link.master, link.name)
    except Missing:
        pass
    except KernelError as error:
        log.warning(
            "members of a network not known, frames of none accepted", network=network.id[:12], error=str(error)
        )
    view: LocalView = local_view(network, host, link.local)
    hosts = {entry.host for entry in entries if isinstance(entry, Remote) and entry.mac == EVERYBODY}
    fit = sorted((address for address in hosts if not doubt_about_host(address, view)), key=int)
    links = {entry.link for entry in entries if isinstance(entry, DirectRoute)}
    return (*member_elements(link.port, link.vni, fit), *link_elements(links))
