"""Brings the kernel in line with the records: whole at start, and while running whatever others changed.

Looking takes no locks. What it finds is looked at again under the locks of the network or the endpoint, which a request
in flight holds, and only what is still wrong then is repaired: a network that is being made or removed is no drift.

Three things go on beside each other, and none waits for another: the rules (``plugin.reconcile.healing``), Docker's
bridges and who turned forwarding on, and looks at everything, of which there is one at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from netlink.errors import KernelError
from plugin.errors import Failed, PynetError
from plugin.firewall.docker import docker_bridges
from plugin.model.desired import Actual, Desired
from plugin.model.findings import EndpointLost, Finding, HostSettingChanged, OrphanLink
from plugin.model.link_owner import locks_of
from plugin.protocol.messages import Drop, Repair, Status
from plugin.reconcile.healing import Healing
from plugin.reconcile.ledger import Ledger
from plugin.reconcile.repairs import Repairs
from plugin.reconcile.rules import Rules
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.locks import LOOK
from plugin.runtime import Runtime

log = structlog.get_logger()

NOTHING = Desired("")


class Reconciler:
    """Used by the watcher's threads, and by ``pynet reconcile`` and ``pynet status``."""

    def __init__(
        self, runtime: Runtime, survey: Survey, removal: Removal, drops: Callable[[], Sequence[Drop]] = tuple
    ) -> None:
        self._survey = survey
        self._drops = drops
        self._repairs = Repairs(runtime, removal)
        self._rules = Rules(runtime, survey)
        self._kernel = runtime.kernel
        self._firewall = runtime.firewall
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._locks = runtime.locks
        self._ledger = Ledger()
        self._healing = Healing(runtime.firewall, runtime.kernel, survey, self._ledger)

    def recover(self) -> None:
        """At start, before any request: forget endpoints whose links are gone, then rules, ports, links and the rest.

        Nothing here stops pynet from serving: what cannot be repaired is logged, and tried again later.
        """
        with self._locks.hold(LOOK):
            self._settings.recall(list(self._survey.records().networks.values()))
            self._or_later(self._forget_lost)
            try:
                self._firewall.load(self._survey.elements())
            except KernelError as error:
                log.error("rules not written, so no link is made", error=str(error))  # noqa: TRY400 - foreseen
                self._healing.shut()
                return
            for ends in self._survey.records().endpoints.values():
                for endpoint in ends:
                    self._publisher.restore(endpoint)
            self._or_later(lambda: self._look_and_repair(idle=True))

    def _forget_lost(self) -> None:
        # What Docker's own bridges forward passes from the first moment on, where pynet closes the host to others.
        self._firewall.set_docker_bridges(docker_bridges(self._kernel.links()))
        found = self._survey.look(self._publisher.held(), idle=True).found
        self._repair([finding for finding in found if isinstance(finding, EndpointLost)], NOTHING)

    def _or_later(self, look: Callable[[], object]) -> None:
        try:
            look()
        except KernelError as error:
            log.error("host not looked at, which comes later", error=str(error))  # noqa: TRY400 - foreseen
            self._healing.shut()

    def reconcile(self) -> list[Repair]:
        """Look at everything and repair what is out of line; returns what was found, repaired or not.

        Raises:
            Busy: another look did not end in time.
            KernelError, PynetError: it was not possible to look.
        """
        with self._locks.hold(LOOK):
            done = self._healing.heal(elements=True)
            self._settings.concede()
            with self._healing.opening():
                return done + self._look_and_repair(idle=False)

    def heal(self, *, elements: bool) -> None:
        """Bring the rules in line, and with ``elements`` what stands in the sets; raises ``KernelError``."""
        self._healing.heal(elements=elements)

    @property
    def late(self) -> bool:
        """Whether rules stand again that had been missing, and the links wait for a look at everything."""
        return self._healing.late

    def look_at_host(self, *, bridges: bool) -> None:
        """See whether others turned forwarding on, and with ``bridges`` which there are of others by now.

        Raises:
            KernelError, PynetError: it was not possible to look.
        """
        if bridges:
            self._settings.look_at_bridges()
        self._settings.concede()

    def status(self) -> Status:
        """Return the counts of repairs, what the last look could not repair, and what the guard dropped.

        It waits for no look and no repair.
        """
        return replace(self._ledger.status(), drops=tuple(self._drops()))

    def _look_and_repair(self, *, idle: bool) -> list[Repair]:
        look = self._survey.look(self._publisher.held(), idle=idle)
        done: list[Repair] = []
        if idle:
            for finding in look.found:
                done += self._repair([finding], look.desired.get(finding.network, NOTHING))
        else:
            done += self._repair([each for each in look.found if isinstance(each, HostSettingChanged)], NOTHING)
            for network in dict.fromkeys(finding.network for finding in look.found if finding.network):
                done += self._repair_network(network, look.actual)
            for orphan in look.found:
                if isinstance(orphan, OrphanLink):
                    done += self._repair_orphan(orphan)
            done += [
                self._ledger.failed(astray, why) if why else self._ledger.repaired(astray)
                for astray, why in self._rules.align(look.desired.values())
            ]
        done += [self._ledger.failed(finding, Failed(why)) for finding, why in self._firewall.refused().items()]
        self._ledger.looked(done)
        return done

    def _repair_network(self, network_id: str, actual: Actual) -> list[Repair]:
        try:
            with self._locks.hold(f"network {network_id}"):
                now = replace(actual, held=self._publisher.held())
                desired, found = self._survey.look_at(network_id, now)
                return self._repair(found, desired)
        except PynetError as error:
            log.info("network not looked at", network=network_id[:12], error=str(error))
            return []

    def _repair_orphan(self, orphan: OrphanLink) -> list[Repair]:
        try:
            with self._locks.hold(*locks_of(orphan.alias)):
                nobodys = self._survey.is_orphan(orphan) and not self._firewall.owns(orphan.link)
                return self._repair([orphan] if nobodys else [], NOTHING)
        except PynetError as error:
            log.info("link not looked at", link=orphan.link, error=str(error))
            return []

    def _repair(self, found: Iterable[Finding], desired: Desired) -> list[Repair]:
        done = []
        for finding in found:
            endpoint = getattr(finding, "endpoint", "")
            try:
                with self._locks.hold(*([f"endpoint {endpoint}"] if endpoint else [])):
                    needed = self._repairs.repair(finding, desired)
            except (KernelError, PynetError) as error:
                done.append(self._ledger.failed(finding, error))
            else:
                done += [self._ledger.repaired(finding)] if needed else []
        return done
