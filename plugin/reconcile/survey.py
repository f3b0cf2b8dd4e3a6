"""Surveys: reads the records and the kernel, and finds differences. Changes nothing and takes no locks.

A full survey lists each kind of record, links and addresses once, whatever it finds. Findings about one network or one
link are checked again with requests about that one alone.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from netlink.links import Link
from netlink.values import dataclass
from plugin.errors import PynetError
from plugin.firewall.elements import port_elements, shut_elements
from plugin.host.sysctls import HostSettings
from plugin.interfaces import DirectRoutes, Kernel
from plugin.model.desired import Actual, Desired, Held, WantedPort, look_again, read_actual
from plugin.model.elements import Elements
from plugin.model.findings import EndpointLost, Finding, NetworkUnclear, OrphanLink, OrphanSetting
from plugin.model.link_owner import Owner
from plugin.model.names import CARRIER, ENDPOINT, NETWORK, PARENT, WIREGUARD, Alias, host_link_name, shim_name
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.modes.base import LinkKind, Mode, desired_of
from plugin.modes.registry import link_kinds, mode_of
from plugin.publish.binder import ports_owner
from plugin.publish.publisher import to_hold
from plugin.reconcile.diff import differences, host_differences, orphans, strays
from plugin.store.base import Store


@dataclass(frozen=True, slots=True)
class Records:
    """The records: networks, their endpoints by network id, and the names of links that wait to be deleted."""

    networks: Mapping[str, Network]
    endpoints: Mapping[str, Sequence[Endpoint]]
    doomed: Collection[str]

    def links(self) -> set[str]:
        """Names of links that belong to a record, or wait to be deleted."""
        names = {network.link for network in self.networks.values()} | set(self.doomed)
        return names | {host_link_name(endpoint.id) for ends in self.endpoints.values() for endpoint in ends}


class Look(NamedTuple):
    """The result of a survey: the wanted state by network, the findings, and the state of the kernel."""

    desired: Mapping[str, Desired]
    found: list[Finding]
    actual: Actual


class Survey:
    """Every survey may raise ``KernelError`` and ``PynetError``."""

    def __init__(
        self,
        store: Store,
        kernel: Kernel,
        routes: DirectRoutes,
        settings: HostSettings,
        modes: Mapping[str, Mode],
        owner: Owner,
    ) -> None:
        self._store = store
        self._kernel = kernel
        self._routes = routes
        self._settings = settings
        self._modes = modes
        self._owner = owner

    def records(self) -> Records:
        """Read all records, endpoints first, so that no endpoint is taken for one without a network."""
        endpoints: dict[str, list[Endpoint]] = defaultdict(list)
        for item in self._store.list(Endpoint):
            endpoints[item.record.network_id].append(item.record)
        networks = {item.record.id: item.record for item in self._store.list(Network)}
        return Records(networks, endpoints, {item.record.link for item in self._store.list(Tombstone)})

    def networks(self) -> list[str]:
        """Return the ids of all networks."""
        return [item.record.id for item in self._store.list(Network)]

    def networks_of(self, links: Collection[str]) -> list[str]:
        """Return the networks whose links, or links of whose endpoints, have these names."""
        records, kinds = self.records(), [kind for kind in link_kinds(self._modes) if kind.of == NETWORK]
        end_kinds = [kind for kind in link_kinds(self._modes) if kind.of == ENDPOINT]
        found = [
            network.id
            for network in records.networks.values()
            if not {network.link, shim_name(self._owner.name, network.link)}.isdisjoint(links)
            or any(kind.name(network.id) in links for kind in kinds)
            or (network.overlay and network.overlay.encrypt and any(name.startswith(CARRIER) for name in links))
        ]
        found += [
            network_id
            for network_id, ends in records.endpoints.items()
            if any(kind.name(end.id) in links for end in ends for kind in end_kinds)
        ]
        return list(dict.fromkeys(found))

    def without_rules(self, has_rules: Callable[[str], bool]) -> list[OrphanLink]:
        """Return the links that pynet made and that have no rules, so that they may be orphans."""
        links = [link for link in self._kernel.links() if self._owner.made(link) and not has_rules(link.name)]
        return [OrphanLink("", link.name, link.alias) for link in links]

    def without_links(self, records: Records) -> list[EndpointLost]:
        """Return the endpoints whose links are gone: after a reboot, all of them."""
        return [
            EndpointLost(network_id, end.id, port.name(end.id))
            for network_id, ends in records.endpoints.items()
            if (port := _port_of(self._modes, records.networks.get(network_id)))
            for end in ends
            if not self._kernel.link_exists(port.name(end.id))
        ]

    def elements(
        self, desired: Iterable[Desired] | None = None, links: Sequence[Link] | None = None
    ) -> dict[str, Elements]:
        """Return the elements that the firewall should have, by owner, for ``desired`` or by the records.

        ``links`` are the bridges of others and their ports; without them they are listed.
        """
        found = dict(self._settings.elements(links))
        for part in self.wanted(self.records())[0] if desired is None else desired:
            found |= part.elements
        return found

    def desired(self, network_id: str = "") -> list[Desired]:
        """Return the wanted state of one network by its records (nothing if it is gone), or of all networks."""
        if not network_id:
            return self.wanted(self.records())[0]
        known = self._store.get(Network, network_id)
        ends = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
        return self.wanted(Records({network_id: known.record}, {network_id: ends}, ()))[0] if known else []

    def look(self, held: Container[Held], *, idle: bool, records: Records | None = None) -> Look:
        """Survey everything: settings of the host first, orphans last; ``held`` are the ports of sockets.

        With ``idle`` no request can be in flight, so that the first traces of a creation are leftovers too. Without
        ``records`` they are read.
        """
        records = records or self.records()
        desired, found = self.wanted(records)
        actual = read_actual(self._kernel, desired, held)
        found += self._differences(desired, records, actual, idle=idle)
        if idle:
            found += left_over(self._settings, records)
        return Look({part.network: part for part in desired}, found, actual)

    def compared(self, desired: Sequence[Desired], records: Records, held: Container[Held]) -> list[Finding]:
        """Return what ``look`` finds in the kernel while no request can be in flight.

        It asks the kernel anew and the store nothing, so that a copy of this process can do it
        (``plugin.background.beside``).
        """
        self._kernel.close()
        return self._differences(desired, records, read_actual(self._kernel, desired, held), idle=True)

    def _differences(
        self, desired: Sequence[Desired], records: Records, actual: Actual, *, idle: bool
    ) -> list[Finding]:
        found = host_differences(desired, actual)
        for part in desired:
            found += differences(part, actual, self._owner)
        known = (
            records.links()
            | {link.name for part in desired for link in part.links}
            | _of_unclear(self._modes, desired, records)
        )
        found += orphans(actual.links.values(), known, self._owner, unnamed=idle)
        if idle:
            found += strays(desired, actual, self._routes.routes())
        return found

    def look_at(self, network_id: str, actual: Actual) -> tuple[Desired, list[Finding]]:
        """Return the wanted state of one network and its differences now; both are empty if the network is gone.

        ``actual`` is the state of the kernel a moment ago, or empty; the network's own links are updated in it.
        """
        known = self._store.get(Network, network_id)
        ends = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
        networks = {} if known is None else {network_id: known.record}
        desired, found = self.wanted(Records(networks, {network_id: ends} if ends else {}, ()))
        part = desired[0] if desired else Desired(network_id)
        return part, found + self.compare(part, actual)

    def compare(self, part: Desired, actual: Actual) -> list[Finding]:
        """Return the differences of the state that one network wants; its links are updated in ``actual``."""
        look_again(self._kernel, actual, part)
        for bridge in _of_other_mtu(part, actual):
            for link in self._kernel.links(master=bridge.index):  # whether a user attached a link to the bridge
                actual.links.setdefault(link.name, link)
        return differences(part, actual, self._owner)

    def is_orphan(self, orphan: OrphanLink) -> bool:
        """Return whether a link is still an orphan: it exists, waits for no deletion, and belongs to no network.

        The caller holds the lock of its maker. Endpoints are not searched: an endpoint's link has rules
        (``Firewall.owns``).
        """
        link = self._kernel.link(orphan.link)
        if link is None or link.alias != orphan.alias or self._store.get(Tombstone, orphan.link):
            return False
        alias = Alias.read(orphan.alias)
        if alias.what in {PARENT, WIREGUARD} and any(mode.holds(orphan.link) for mode in self._modes.values()):
            return False
        known = self._store.get(Network, alias.network_id or alias.id)
        end = self._store.get(Endpoint, f"{alias.network_id}/{alias.id}") if alias.network_id else None
        ends = {alias.network_id: [end.record]} if end else {}
        parts = self.wanted(Records({known.record.id: known.record}, ends, ()))[0] if known else []
        wanted = {each.name for part in parts for each in part.links}
        return orphan.link not in wanted and all(part.clear for part in parts)

    def wanted(self, records: Records) -> tuple[list[Desired], list[Finding]]:
        """Return the wanted states of networks, and the findings about the records themselves."""
        desired: list[Desired] = []
        found: list[Finding] = [
            EndpointLost(network_id, endpoint.id, host_link_name(endpoint.id))
            for network_id, ends in records.endpoints.items()
            for endpoint in ends
            if network_id not in records.networks
        ]
        for network in records.networks.values():
            try:
                desired.append(self._desired_by(network, records.endpoints.get(network.id, ())))
            except PynetError as error:
                desired.append(_shut(self._modes, network, records.endpoints.get(network.id, ())))
                found.append(NetworkUnclear(network.id, str(error)))
        return desired, found

    def open_ports(self) -> list[str]:
        """Return the ports of this pynet's networks that are up."""
        kinds = {kind.kernel for kind in link_kinds(self._modes) if kind.port}
        links = [link for link in self._kernel.links() if link.kind in kinds and link.up]
        return [link.name for link in links if self._owner.made(link) or self._owner.began(link)]

    def _desired_by(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        part = desired_of(mode_of(self._modes, network), network, endpoints)
        publishing = [endpoint for endpoint in endpoints if endpoint.published]
        elements = {ports_owner(end.id): port_elements(network, end, end.published) for end in publishing}
        ports = [
            WantedPort(end.id, (port.proto, place.host, port.host_port))
            for end in publishing
            for port, place, _ in to_hold(end.published)
        ]
        return replace(part, elements={**part.elements, **elements}, ports=ports)


def _of_other_mtu(part: Desired, actual: Actual) -> list[Link]:
    bridges = [wanted for wanted in part.links if wanted.kind == "bridge" and wanted.name in actual.links]
    return [actual.links[one.name] for one in bridges if one.mtu not in {0, actual.links[one.name].mtu}]


def left_over(settings: HostSettings, records: Records) -> list[Finding]:
    """Return the settings of the host that were changed for networks which are gone."""
    left = settings.left_over(list(records.networks.values()))
    return [OrphanSetting("", setting.path, setting.before) for setting in left]


def _port_of(modes: Mapping[str, Mode], network: Network | None) -> LinkKind | None:
    """Return the kind of the links by which frames of endpoints enter a network, if it has any on this host."""
    with suppress(PynetError):
        kinds = mode_of(modes, network).links if network else ()
        return next((kind for kind in kinds if kind.of == ENDPOINT and kind.port), None)
    return None


def _shut(modes: Mapping[str, Mode], network: Network, endpoints: Sequence[Endpoint]) -> Desired:
    """Return the rules of a network that cannot be understood: closed, as without rules it would be open."""
    kinds = [kind for kind in link_kinds(modes) if kind.port]
    own = [kind.name(network.id) for kind in kinds if kind.of == NETWORK]
    ends = [kind.name(end.id) for end in endpoints for kind in kinds if kind.of == ENDPOINT]
    bridges = [network.link] if network.host_gateway else []  # else it is a user's link, and leads to the LAN
    return Desired(network.id, elements={network.link: shut_elements(bridges, [*own, *ends])}, kept=own)


def _of_unclear(modes: Mapping[str, Mode], desired: Sequence[Desired], records: Records) -> set[str]:
    """Return the names that links of endpoints in networks may have that cannot be understood."""
    unclear = [end for part in desired if not part.clear for end in records.endpoints.get(part.network, ())]
    return {kind.name(end.id) for kind in link_kinds(modes) if kind.of == ENDPOINT for end in unclear}
