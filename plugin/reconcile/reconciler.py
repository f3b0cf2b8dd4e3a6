"""Brings the kernel in line with the records: all of it at start, and changes by others while pynet runs.

The survey takes no locks. Each finding is then checked again under the locks of its network or endpoint, which a
request in flight holds, and repaired only if it is still there: a network that is being made or removed is no drift.

Three duties run side by side, and none waits for another: the rules (``plugin.reconcile.healing``); the bridges of
Docker and the host's forwarding; and full surveys, one at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from netlink.errors import KernelError
from plugin.errors import Failed, PynetError
from plugin.model.desired import Actual, Desired
from plugin.model.findings import Finding, HostSettingChanged, OrphanLink
from plugin.protocol.messages import Drop, Repair, Status
from plugin.reconcile.healing import Healing
from plugin.reconcile.ledger import Ledger
from plugin.reconcile.recovery import Recovery
from plugin.reconcile.repairs import Repairs
from plugin.reconcile.rules import Rules
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.locks import LOOK, LockName, locks_of
from plugin.runtime import Runtime

log = structlog.get_logger()

NOTHING = Desired("")


class Reconciler:
    """Finds and repairs drift, for the watcher's threads, ``pynet reconcile`` and ``pynet status``."""

    def __init__(
        self, runtime: Runtime, survey: Survey, removal: Removal, drops: Callable[[], Sequence[Drop]] = tuple
    ) -> None:
        self._survey = survey
        self._drops = drops
        self._repairs = Repairs(runtime, removal)
        self._rules = Rules(runtime, survey)
        self._firewall = runtime.firewall
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._locks = runtime.locks
        self._ledger = Ledger()
        self._healing = Healing(runtime.firewall, runtime.kernel, survey, self._ledger)
        self._recovery = Recovery(runtime, survey, removal, self._healing, self._ledger)

    def recover(self) -> None:
        """At start, before any request, bring everything in line (``plugin.reconcile.recovery``)."""
        with self._locks.hold(LOOK):
            self._recovery.run(self._repair)

    def reconcile(self) -> list[Repair]:
        """Survey everything and repair what is out of line; return all findings, repaired or not.

        Raises:
            Busy: another survey did not end in time.
            KernelError, PynetError: the survey was not possible.
        """
        with self._locks.hold(LOOK):
            done = self._healing.heal(elements=True)
            self._settings.concede()
            with self._healing.opening():
                return done + self._look_and_repair()

    def heal(self, *, elements: bool) -> None:
        """Bring the rules in line, and the elements of sets if ``elements`` is set; raises ``KernelError``."""
        self._healing.heal(elements=elements)

    @property
    def late(self) -> bool:
        """Whether missing rules were written again, so that links wait for a full survey to set them up."""
        return self._healing.late

    def look_at_host(self, *, bridges: bool) -> None:
        """Find out whether others turned forwarding on, and if ``bridges`` is set which bridges others have now.

        Raises:
            KernelError, PynetError: that was not possible.
        """
        if bridges:
            self._settings.look_at_bridges()
        self._settings.concede()

    def status(self) -> Status:
        """Return the counts of repairs, the findings that could not be repaired, the guard's drops, and held sockets.

        Waits for no survey and no repair.
        """
        sockets, most = self._publisher.sockets()
        return replace(self._ledger.status(), drops=tuple(self._drops()), sockets=sockets, most_sockets=most)

    def _look_and_repair(self) -> list[Repair]:
        look = self._survey.look(self._publisher.held(), idle=False)
        done = self._repair([each for each in look.found if isinstance(each, HostSettingChanged)], NOTHING)
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
            with self._locks.hold(LockName.network(network_id)):
                now = replace(actual, held=self._publisher.held())
                desired, found = self._survey.look_at(network_id, now)
                return self._repair(found, desired)
        except PynetError as error:
            log.info("network not checked", network=network_id[:12], error=str(error))
            return []

    def _repair_orphan(self, orphan: OrphanLink) -> list[Repair]:
        try:
            with self._locks.hold(*locks_of(orphan.alias)):
                nobodys = self._survey.is_orphan(orphan) and not self._firewall.owns(orphan.link)
                return self._repair([orphan] if nobodys else [], NOTHING)
        except PynetError as error:
            log.info("link not checked", link=orphan.link, error=str(error))
            return []

    def _repair(self, found: Iterable[Finding], desired: Desired) -> list[Repair]:
        done = []
        for finding in found:
            endpoint = getattr(finding, "endpoint", "")
            try:
                with self._locks.hold(*([LockName.endpoint(endpoint)] if endpoint else [])):
                    needed = self._repairs.repair(finding, desired)
            except (KernelError, PynetError) as error:
                done.append(self._ledger.failed(finding, error))
            else:
                done += [self._ledger.repaired(finding)] if needed else []
        return done
