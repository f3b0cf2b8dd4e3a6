"""Brings the kernel in line with the records: whole at start, and while running whatever others changed.

Looking takes no locks. What it finds is looked at again under the locks of the network or the endpoint, which a request
in flight holds, and only what is still wrong then is repaired: a network that is being made or removed is no drift.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import structlog

from netlink.errors import KernelError, Missing
from plugin.errors import Failed, PynetError
from plugin.firewall.docker import docker_bridges
from plugin.messages import Drop, Repair, Status
from plugin.parts import Parts
from plugin.reconcile.findings import EndpointLost, Finding, OrphanLink
from plugin.reconcile.owner import locks_of
from plugin.reconcile.repairs import Repairs
from plugin.reconcile.state import Desired
from plugin.reconcile.survey import Survey

log = structlog.get_logger()

NOTHING = Desired("")


class Reconciler:
    """Used by the watcher's thread and by ``pynet reconcile``, one at a time."""

    def __init__(self, parts: Parts, survey: Survey, drops: Callable[[], Sequence[Drop]] = tuple) -> None:
        self._survey = survey
        self._drops = drops
        self._repairs = Repairs(parts)
        self._kernel = parts.kernel
        self._firewall = parts.firewall
        self._settings = parts.settings
        self._publisher = parts.publisher
        self._locks = parts.locks
        self._turn = threading.Lock()  # one reconciliation at a time; guards everything below
        self._counts: Counter[str] = Counter()
        self._failing: dict[str, Repair] = {}  # by sentence, of the last look
        self._looks = 0
        self._late = False  # whether rules could not be written, so that links wait for them

    def recover(self) -> None:
        """At start, before any request: forget endpoints whose links are gone, then rules, ports, links and the rest.

        Nothing here stops pynet from serving: what cannot be repaired is logged, and tried again later.
        """
        with self._turn:
            self._settings.recall(list(self._survey.records().networks.values()))
            # What Docker's own bridges forward passes from the first moment on, where pynet closes the host to others.
            self._firewall.set_docker_bridges(docker_bridges(self._kernel.links()))
            _, found = self._survey.look(self._publisher.held(), idle=True)
            self._repair([finding for finding in found if isinstance(finding, EndpointLost)], NOTHING)
            try:
                self._firewall.load(self._survey.elements())
            except KernelError as error:
                log.error("rules not written, so no link is made", error=str(error))  # noqa: TRY400 - foreseen
                self._shut()
                return
            for ends in self._survey.records().endpoints.values():
                for endpoint in ends:
                    self._publisher.restore(endpoint)
            self._look_and_repair(idle=True)

    def reconcile(self) -> list[Repair]:
        """Look at everything and repair what is out of line; returns what was found, repaired or not.

        Raises:
            KernelError, PynetError: it was not possible to look.
        """
        with self._turn:
            done = self._heal(elements=True)
            return done + self._look_and_repair(idle=False)

    def heal(self, *, elements: bool) -> None:
        """Bring the rules in line, and with ``elements`` what stands in the sets; raises ``KernelError``."""
        with self._turn:
            self._heal(elements=elements)

    def look_at_bridges(self) -> None:
        """Take note that bridges of others have come or gone; raises ``KernelError``, ``PynetError``."""
        with self._turn:
            self._settings.look_at_bridges()

    def status(self) -> Status:
        """Return the counts of repairs, what the last look could not repair, and what the guard dropped."""
        drops: Sequence[Drop] = ()
        try:
            drops = self._drops()
        except (KernelError, PynetError) as error:
            log.warning("drops of the guard not read", error=str(error))
        with self._turn:
            return Status(dict(self._counts), tuple(self._failing.values()), self._looks, tuple(drops))

    def _heal(self, *, elements: bool) -> list[Repair]:
        try:
            found = self._firewall.heal(elements=elements)
        except KernelError:
            self._shut()
            raise
        done = [self._repaired(finding) for finding in found]
        self._settings.concede()
        if self._late:
            done += self._look_and_repair(idle=False)
            self._late = False
        return done

    def _shut(self) -> None:
        """While the tables are missing nothing enters or leaves a network: ports are down until a look sets them up."""
        self._late = True
        names = self._survey.open_ports() if self._firewall.missing else []
        for name in names:
            with suppress(Missing):
                self._kernel.set_down(name)
        if names:
            log.error("rules are missing and cannot be written: ports of all networks set down", ports=len(names))

    def _look_and_repair(self, *, idle: bool) -> list[Repair]:
        desired, found = self._survey.look(self._publisher.held(), idle=idle)
        done: list[Repair] = []
        if idle:
            for finding in found:
                done += self._repair([finding], desired.get(finding.network, NOTHING))
        else:
            for network in dict.fromkeys(finding.network for finding in found if finding.network):
                done += self._repair_network(network)
            for orphan in found:
                if isinstance(orphan, OrphanLink):
                    done += self._repair_orphan(orphan)
        done += [self._failed(finding, Failed(why)) for finding, why in self._firewall.refused().items()]
        self._failing = {repair.sentence: repair for repair in done if repair.error}
        self._looks += 1
        return done

    def _repair_network(self, network_id: str) -> list[Repair]:
        try:
            with self._locks.hold(f"network {network_id}"):
                desired, found = self._survey.look_at(network_id, self._publisher.held())
                return self._repair(found, desired)
        except PynetError as error:
            log.info("network not looked at", network=network_id[:12], error=str(error))
            return []

    def _repair_orphan(self, orphan: OrphanLink) -> list[Repair]:
        try:
            with self._locks.hold(*locks_of(orphan.alias)):
                return self._repair([orphan] if self._survey.is_orphan(orphan.link) else [], NOTHING)
        except PynetError as error:
            log.info("link not looked at", link=orphan.link, error=str(error))
            return []

    def _repair(self, found: Iterable[Finding], desired: Desired) -> list[Repair]:
        done = []
        for finding in found:
            endpoint = getattr(finding, "endpoint", "")
            try:
                with self._locks.hold(*([f"endpoint {endpoint}"] if endpoint else [])):
                    self._repairs.repair(finding, desired)
            except (KernelError, PynetError) as error:
                done.append(self._failed(finding, error))
            else:
                done.append(self._repaired(finding))
        return done

    def _repaired(self, finding: Finding) -> Repair:
        self._counts[finding.kind] += 1
        log.warning("repaired", finding=finding.kind, what=finding.sentence)
        return Repair(finding.kind, finding.sentence)

    def _failed(self, finding: Finding, error: Exception) -> Repair:
        if finding.sentence not in self._failing:
            log.warning("not repaired", finding=finding.kind, what=finding.sentence, error=str(error))
        return Repair(finding.kind, finding.sentence, str(error))
