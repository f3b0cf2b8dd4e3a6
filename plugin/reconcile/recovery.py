"""Brings the kernel in line at start: lists the links and reads the records once, as there may be thousands of both."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial

import structlog

from netlink.errors import KernelError
from netlink.links import Link
from plugin.background.beside import Beside, afterwards
from plugin.errors import PynetError
from plugin.firewall.elements import PROTOCOLS
from plugin.host.docker_bridges import docker_bridges, foreign_links
from plugin.model.desired import Desired, Held
from plugin.model.findings import EndpointLost, Finding, PortNotHeld
from plugin.protocol.messages import Repair
from plugin.reconcile.healing import Healing
from plugin.reconcile.ledger import REFUSED, Ledger
from plugin.reconcile.survey import Records, Survey, left_over
from plugin.removal.removal import Removal
from plugin.runtime import Runtime

log = structlog.get_logger()

Mend = Callable[[Iterable[Finding], Desired], list[Repair]]
NOTHING = Desired("")
TOGETHER = 256  # endpoints that are forgotten in one transaction
FEW = 100  # endpoints for which a copy of this process takes longer than it saves


class Every(Container[Held]):
    """All ports count as held while the host is surveyed: they are taken later, and refused ones are found then."""

    def __contains__(self, port: object) -> bool:
        return True


class Recovery:
    """Runs before any request; ``mend`` repairs findings and returns the repairs."""

    def __init__(
        self,
        runtime: Runtime,
        survey: Survey,
        removal: Removal,
        healing: Healing,
        ledger: Ledger,
        beside: Beside = afterwards,
    ) -> None:
        self._store = runtime.store
        self._kernel = runtime.kernel
        self._firewall = runtime.firewall
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._survey = survey
        self._removal = removal
        self._healing = healing
        self._ledger = ledger
        self._beside = beside

    def run(self, mend: Mend) -> Records:
        """Forget endpoints without a link, then repair rules, ports, links and the rest; return the records after that.

        Nothing here stops pynet from serving: a repair that fails is logged and tried again later.
        """
        records = self._survey.records()
        self._settings.recall(list(records.networks.values()))
        places = defaultdict[str, list[Repair]](list)
        if lost := self._survey.without_links(records):  # first, as a wanted state for thousands takes its time
            records = self._forget(lost, records, places)
        try:
            desired, found = self._take_over(records)
            if lost := [each for each in found if isinstance(each, EndpointLost)]:
                records = self._forget(lost, records, places)
                desired, found = self._take_over(records)
        except KernelError as error:
            log.error("rules not written, so no link is made", error=str(error))  # noqa: TRY400 - foreseen
            self._healing.shut()
            return records
        before = self._store.revision()
        for finding in found:
            places[finding.network] += mend([finding], desired.get(finding.network, NOTHING))
        refused = self._firewall.refused().items()
        places[REFUSED] += [self._ledger.failed(finding, PynetError(why)) for finding, why in refused]
        for place, done in places.items():
            self._ledger.checked(place, done)
        return records if self._store.revision() == before else self._survey.records()

    def _take_over(self, records: Records) -> tuple[Mapping[str, Desired], list[Finding]]:
        """Load the rules and hold the ports of ``records``; return the wanted state by network, and the differences.

        Meanwhile the kernel's state is compared beside, which takes as long with thousands of endpoints. Raises
        ``KernelError`` if the rules cannot be written.
        """
        desired, found = self._survey.wanted(records)
        many = sum(map(len, records.endpoints.values())) > FEW
        with (self._beside if many else afterwards)(
            partial(self._survey.compared, desired, records, Every())
        ) as compared:
            self._firewall.load(self._survey.elements(desired, self._links_of_others()))
            ports = self._hold_ports(records)
            try:
                found += compared()
                self._ledger.looked()
            except KernelError as error:
                self._not_surveyed(error)
        return {part.network: part for part in desired}, [*found, *left_over(self._settings, records), *ports]

    def _links_of_others(self) -> Sequence[Link] | None:
        """Return the bridges of others and their ports, None if the kernel cannot list them.

        Where pynet closes the host to others, traffic of Docker's own bridges must pass from the first moment on.
        """
        try:
            links = foreign_links(self._kernel)
            self._firewall.set_docker_bridges(docker_bridges(links))
        except KernelError as error:
            self._not_surveyed(error)
            return None
        return links

    def _not_surveyed(self, error: KernelError) -> None:
        log.error("host not surveyed, it is tried again later", error=str(error))
        self._healing.shut()

    def _forget(self, lost: Sequence[EndpointLost], records: Records, places: Mapping[str, list[Repair]]) -> Records:
        """Remove the endpoints as DeleteEndpoint does, so that other hosts are told too; return the records then.

        Those that could not be removed are added to ``places``.
        """
        known = {(end.network_id, end.id): end for ends in records.endpoints.values() for end in ends}
        forgotten = defaultdict[str, list[EndpointLost]](list)
        for start in range(0, len(lost), TOGETHER):
            some = lost[start : start + TOGETHER]
            ends = [known[each.network, each.endpoint] for each in some]
            failed = self._removal.lost_endpoints(ends, records.networks)
            for each in some:
                if error := failed.get(each.endpoint):
                    places[each.network].append(self._ledger.failed(each, error))
                else:
                    forgotten[each.network].append(each)
        for network, without in forgotten.items():
            self._ledger.forgotten(network, without)
        return self._survey.records()

    def _hold_ports(self, records: Records) -> list[Finding]:
        """Hold the ports of all endpoints; return those that were refused."""
        endpoints = [end for ends in records.endpoints.values() for end in ends if end.published or end.added]
        refused = self._publisher.restore_all(endpoints)
        return [
            PortNotHeld(end.network_id, end.id, PROTOCOLS[proto], host, port)
            for end, keys in refused
            for proto, host, port in keys
        ]
