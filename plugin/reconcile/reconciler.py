"""Brings the kernel in line with the records: all of it at start, and changes by others while pynet runs.

The survey takes no locks. Each finding is then checked again under the locks of its network or endpoint, which a
request in flight holds, and repaired only if it is still there: a network that is being made or removed is no drift.

Three duties run side by side, and none waits for another: the rules (``plugin.reconcile.healing``); the bridges of
Docker and the host's forwarding; and our links. Of these, networks of which the kernel told something are checked at
once, and the others one after the other (``plugin.reconcile.rounds``). A full survey happens at start, on command, and
after notifications were lost.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import structlog

from plugin.background.beside import Beside, afterwards
from plugin.model.desired import Actual
from plugin.model.findings import HostSettingChanged, OrphanLink
from plugin.protocol.messages import Drop, Repair, Status
from plugin.reconcile.checks import NOTHING, Checks
from plugin.reconcile.healing import Healing
from plugin.reconcile.ledger import NO_NETWORKS, ORPHANS, RULES, Ledger
from plugin.reconcile.recovery import Recovery
from plugin.reconcile.rounds import Rounds
from plugin.reconcile.survey import Records, Survey
from plugin.removal.removal import Removal
from plugin.request.locks import LOOK
from plugin.runtime import Runtime

log = structlog.get_logger()


class Reconciler:
    """Finds and repairs drift, for the watcher's threads, ``pynet reconcile`` and ``pynet status``."""

    def __init__(
        self,
        runtime: Runtime,
        survey: Survey,
        removal: Removal,
        drops: Callable[[], Sequence[Drop]] = tuple,
        beside: Beside = afterwards,
    ) -> None:
        self._survey = survey
        self._drops = drops
        self._firewall = runtime.firewall
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._leases = runtime.leases
        self._locks = runtime.locks
        self._ledger = Ledger()
        self._checks = Checks(runtime, survey, removal, self._ledger)
        self._healing = Healing(runtime.firewall, runtime.kernel, survey, self._ledger)
        self._recovery = Recovery(runtime, survey, removal, self._healing, self._ledger, beside)
        self._rounds = Rounds(survey, self._checks, self._ledger, runtime.firewall, runtime.locks)

    def recover(self) -> Records:
        """Before any request, bring everything in line (``plugin.reconcile.recovery``), and return the records."""
        with self._locks.hold(LOOK):
            return self._recovery.run(self._checks.repair)

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
        """Find out whether others turned forwarding on or off, and if ``bridges`` is set which bridges others have now.

        Raises:
            KernelError, PynetError: that was not possible.
        """
        self._checks.host(bridges=bridges)

    def look_at_links(self, names: Collection[str]) -> None:
        """Check the networks of links that others changed; raises ``KernelError`` and ``PynetError``."""
        for network in self._survey.networks_of(names):
            with self._locks.hold(LOOK):
                self._checks.network(network, Actual())

    def look_around(self) -> float:
        """Go on with the round through all networks; return the seconds until the next call.

        Raises:
            KernelError, PynetError: it was not possible; the next call begins a new round.
        """
        return self._rounds.go_on()

    def status(self) -> Status:
        """Return the counts of repairs, the findings that could not be repaired, dropped packets, and held sockets.

        Waits for no survey and no repair.
        """
        sockets, most = self._publisher.sockets()
        known = self._ledger.status()
        failing = (*known.failing, *self._leases.failing())
        return replace(known, failing=failing, drops=tuple(self._drops()), sockets=sockets, most_sockets=most)

    def _look_and_repair(self) -> list[Repair]:
        look = self._survey.look(self._publisher.held(), idle=False)
        host = [each for each in look.found if isinstance(each, HostSettingChanged)]
        done = [*self._ledger.checked("", self._checks.repair(host, NOTHING))]
        for network in dict.fromkeys([*self._ledger.failing(), *(each.network for each in look.found)]):
            done += self._checks.network(network, look.actual)[1] if network not in NO_NETWORKS else ()
        orphans = [self._checks.orphan(each) for each in look.found if isinstance(each, OrphanLink)]
        done += self._ledger.checked(ORPHANS, [each for some in orphans for each in some])
        done += self._ledger.checked(RULES, self._checks.mended(self._checks.rules.align(look.desired.values())))
        done += [*self._checks.refused(), *self._checks.resolver()]
        self._ledger.looked()
        return done
