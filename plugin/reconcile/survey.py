"""Looks: reads the records and the kernel, and says what is out of line. Changes nothing, takes no locks.

A look at everything is one listing of each kind of record and one dump each of links and addresses, whatever it finds.
What it found of one network or one link is looked at again by requests about that one alone.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from plugin.errors import Failed, PynetError
from plugin.firewall.elements import port_elements, shut_elements
from plugin.host.sysctls import HostSettings
from plugin.interfaces import Kernel
from plugin.model.desired import Actual, Desired, Held, WantedPort, look_again, read_actual
from plugin.model.elements import Elements
from plugin.model.findings import EndpointLost, Finding, NetworkUnclear, OrphanLink, OrphanSetting
from plugin.model.link_owner import Owner
from plugin.model.names import ENDPOINT, NETWORK, Alias, host_link_name
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.modes.base import Mode, desired_of
from plugin.modes.registry import link_kinds
from plugin.publish.binder import ports_owner
from plugin.publish.publisher import to_hold
from plugin.reconcile.diff import differences, host_differences, orphans
from plugin.store.base import Store


@dataclass(frozen=True, slots=True)
class Records:
    """What the store says: networks, their endpoints by network id, and names of links that wait for their deletion."""

    networks: Mapping[str, Network]
    endpoints: Mapping[str, Sequence[Endpoint]]
    doomed: Collection[str]

    def links(self) -> set[str]:
        """Names of links that belong to somebody, or are about to go."""
        names = {network.link for network in self.networks.values()} | set(self.doomed)
        return names | {host_link_name(endpoint.id) for ends in self.endpoints.values() for endpoint in ends}


class Look(NamedTuple):
    """What each network wants, what is out of line, and what the kernel had."""

    desired: Mapping[str, Desired]
    found: list[Finding]
    actual: Actual


class Survey:
    """Knows how to look; every look may raise ``KernelError`` and ``PynetError``."""

    def __init__(
        self, store: Store, kernel: Kernel, settings: HostSettings, modes: Mapping[str, Mode], owner: Owner
    ) -> None:
        self._store = store
        self._kernel = kernel
        self._settings = settings
        self._modes = modes
        self._owner = owner

    def records(self) -> Records:
        """Read all records, networks first: an endpoint whose network came later is not seen as without one."""
        endpoints: dict[str, list[Endpoint]] = defaultdict(list)
        for item in self._store.list(Endpoint):
            endpoints[item.record.network_id].append(item.record)
        networks = {item.record.id: item.record for item in self._store.list(Network)}
        return Records(networks, endpoints, {item.record.link for item in self._store.list(Tombstone)})

    def elements(self) -> dict[str, Elements]:
        """Return what the firewall should have, by owner."""
        found = dict(self._settings.elements())
        for part in self._desired(self.records())[0]:
            found |= part.elements
        return found

    def desired(self, network_id: str = "") -> list[Desired]:
        """Return what one network wants by its records, nothing when it is gone, or what all want."""
        if not network_id:
            return self._desired(self.records())[0]
        known = self._store.get(Network, network_id)
        ends = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
        return self._desired(Records({network_id: known.record}, {network_id: ends}, ()))[0] if known else []

    def look(self, held: Collection[Held], *, idle: bool) -> Look:
        """Look at everything: settings of the host first, orphans last; ``held`` are the ports of sockets.

        ``idle`` says that no request can be in flight, so that the first traces of a creation are leftovers too.
        """
        records = self.records()
        desired, found = self._desired(records)
        actual = read_actual(self._kernel, desired, held)
        found += host_differences(desired, actual)
        for part in desired:
            found += differences(part, actual, self._owner)
        known = records.links() | {link.name for part in desired for link in part.links}
        found += orphans(actual.links.values(), known, self._owner, unnamed=idle)
        if idle:
            left = self._settings.left_over(list(records.networks.values()))
            found += [OrphanSetting("", setting.path, setting.before) for setting in left]
        return Look({part.network: part for part in desired}, found, actual)

    def look_at(self, network_id: str, actual: Actual) -> tuple[Desired, list[Finding]]:
        """Return what one network wants and what of it is out of line by now; nothing when the network is gone.

        ``actual`` is what the kernel had a moment ago; the network's own links are brought up to date in it.
        """
        known = self._store.get(Network, network_id)
        ends = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
        networks = {} if known is None else {network_id: known.record}
        desired, found = self._desired(Records(networks, {network_id: ends} if ends else {}, ()))
        part = desired[0] if desired else Desired(network_id)
        look_again(self._kernel, actual, part)
        return part, found + differences(part, actual, self._owner)

    def is_orphan(self, orphan: OrphanLink) -> bool:
        """Say whether a link is still there, and neither doomed nor a network's; the lock of its maker is held.

        Records of endpoints are not searched for its own: whether it has rules tells that (``Firewall.owns``).
        """
        link = self._kernel.link(orphan.link)
        if link is None or link.alias != orphan.alias or self._store.get(Tombstone, orphan.link):
            return False
        known = self._store.get(Network, Alias.read(orphan.alias).id)
        parts = self._desired(Records({known.record.id: known.record}, {}, ()))[0] if known else []
        wanted = {each.name for part in parts for each in part.links}
        return orphan.link not in wanted

    def _desired(self, records: Records) -> tuple[list[Desired], list[Finding]]:
        """Return what networks want, and what is wrong with the records themselves."""
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
                desired.append(self._shut(network, records.endpoints.get(network.id, ())))
                found.append(NetworkUnclear(network.id, str(error)))
        return desired, found

    def open_ports(self) -> list[str]:
        """Return the ports of networks, of this pynet, that are up."""
        kinds = {kind.kernel for kind in link_kinds(self._modes) if kind.port}
        links = [link for link in self._kernel.links() if link.kind in kinds and link.up]
        return [link.name for link in links if self._owner.made(link) or self._owner.began(link)]

    def _shut(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        """Return the rules of a network that cannot be understood: closed, as without any it would be open."""
        kinds = [kind for kind in link_kinds(self._modes) if kind.port]
        own = [kind.name(network.id) for kind in kinds if kind.of == NETWORK]
        ends = [kind.name(end.id) for end in endpoints for kind in kinds if kind.of == ENDPOINT]
        return Desired(network.id, elements={network.link: shut_elements([network.link], [*own, *ends])}, kept=own)

    def _desired_by(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        mode = self._modes.get(network.mode)
        if mode is None:
            raise Failed(f"this pynet has no mode '{network.mode}'")
        part = desired_of(mode, network, endpoints)
        publishing = [endpoint for endpoint in endpoints if endpoint.published]
        elements = {ports_owner(end.id): port_elements(network, end.published) for end in publishing}
        ports = [
            WantedPort(end.id, (port.proto, place.host, port.host_port))
            for end in publishing
            for port, place, _ in to_hold(end.published)
        ]
        return replace(part, elements={**part.elements, **elements}, ports=ports)
