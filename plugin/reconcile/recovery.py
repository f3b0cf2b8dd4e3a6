"""Brings the kernel in line at start: lists the links and reads the records once, as there may be thousands of both."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.firewall.elements import PROTOCOLS
from plugin.host.docker_bridges import docker_bridges
from plugin.model.desired import Desired, Held
from plugin.model.findings import EndpointLost, Finding, PortNotHeld
from plugin.protocol.messages import Repair
from plugin.reconcile.healing import Healing
from plugin.reconcile.ledger import REFUSED, Ledger
from plugin.reconcile.survey import Look, Records, Survey
from plugin.removal.removal import Removal
from plugin.runtime import Runtime

log = structlog.get_logger()

Mend = Callable[[Iterable[Finding], Desired], list[Repair]]
NOTHING = Desired("")
TOGETHER = 256  # endpoints that are forgotten in one transaction


class Every(Container[Held]):
    """All ports count as held while the host is surveyed: they are taken later, and refused ones are found then."""

    def __contains__(self, port: object) -> bool:
        return True


class Recovery:
    """Runs before any request; ``mend`` repairs findings and returns the repairs."""

    def __init__(self, runtime: Runtime, survey: Survey, removal: Removal, healing: Healing, ledger: Ledger) -> None:
        self._firewall = runtime.firewall
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._survey = survey
        self._removal = removal
        self._healing = healing
        self._ledger = ledger

    def run(self, mend: Mend) -> Records:
        """Forget endpoints without a link, then repair rules, ports, links and the rest; return the records after that.

        Nothing here stops pynet from serving: a repair that fails is logged and tried again later.
        """
        records = self._survey.records()
        self._settings.recall(list(records.networks.values()))
        places = defaultdict[str, list[Repair]](list)
        if lost := self._survey.without_links(records):  # first, as a wanted state for thousands takes its time
            records = self._forget(lost, records, places)
        look = self._look(records)
        if look and (lost := [each for each in look.found if isinstance(each, EndpointLost)]):
            records = self._forget(lost, records, places)
            look = self._look(records)
        try:
            self._firewall.load(self._survey.elements(look))
        except KernelError as error:
            log.error("rules not written, so no link is made", error=str(error))  # noqa: TRY400 - foreseen
            self._healing.shut()
            return records
        ports = self._hold_ports(records)
        look = look or self._look(records)
        if look:
            found = [*look.found, *ports]
            for finding in found:
                places[finding.network] += mend([finding], look.desired.get(finding.network, NOTHING))
            refused = self._firewall.refused().items()
            places[REFUSED] += [self._ledger.failed(finding, PynetError(why)) for finding, why in refused]
            for place, done in places.items():
                self._ledger.checked(place, done)
            self._ledger.looked()
            if found:
                return self._survey.records()
        return records

    def _look(self, records: Records) -> Look | None:
        """Return a survey, None if the kernel cannot be listed."""
        try:
            look = self._survey.look(Every(), idle=True, records=records)
            # Where pynet closes the host to others, traffic of Docker's own bridges must pass from the first moment on.
            self._firewall.set_docker_bridges(docker_bridges(look.actual.links.values()))
        except KernelError as error:
            log.error("host not surveyed, it is tried again later", error=str(error))  # noqa: TRY400 - foreseen
            self._healing.shut()
            return None
        return look

    def _forget(self, lost: Sequence[EndpointLost], records: Records, places: Mapping[str, list[Repair]]) -> Records:
        """Remove the endpoints as DeleteEndpoint does, so that other hosts are told too; return the records then.

        The results are added to ``places``.
        """
        known = {(end.network_id, end.id): end for ends in records.endpoints.values() for end in ends}
        for start in range(0, len(lost), TOGETHER):
            some = lost[start : start + TOGETHER]
            ends = [known[each.network, each.endpoint] for each in some]
            failed = self._removal.lost_endpoints(ends, records.networks)
            for each in some:
                error = failed.get(each.endpoint)
                repair = self._ledger.failed(each, error) if error else self._ledger.repaired(each)
                places[each.network].append(repair)
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
