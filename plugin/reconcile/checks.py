"""Checks one thing again under its locks, and repairs what is out of line; the results go into the ledger.

A request in flight holds these locks: a network that is being made or removed is no drift.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from netlink.errors import KernelError, Missing
from netlink.sysctl import FORWARDING
from plugin.errors import Failed, PynetError
from plugin.host.forwarding import OFF, OURS
from plugin.model.desired import Actual, Desired
from plugin.model.findings import Finding, HostSettingChanged, OrphanLink, ResolverAddressGone, RulesAstray
from plugin.protocol.messages import Repair
from plugin.reconcile.ledger import REFUSED, RESOLVER, Ledger
from plugin.reconcile.repairs import Repairs
from plugin.reconcile.rules import Rules
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.locks import LockName, locks_of
from plugin.runtime import Runtime

log = structlog.get_logger()

NOTHING = Desired("")


class Checks:
    """Used by full surveys, and by rounds (``plugin.reconcile.rounds``)."""

    def __init__(self, runtime: Runtime, survey: Survey, removal: Removal, ledger: Ledger) -> None:
        self._survey = survey
        self._ledger = ledger
        self._repairs = Repairs(runtime, removal)
        self._firewall = runtime.firewall
        self._kernel = runtime.kernel
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._places = runtime.places
        self._locks = runtime.locks
        self.rules = Rules(runtime, survey)

    def network(self, network_id: str, actual: Actual, *, rules: bool = False) -> tuple[Desired, Sequence[Repair]]:
        """Check a network, with ``rules`` its elements in memory too; return the state that it wants, and the results.

        ``actual`` is the state of the kernel a moment ago, or empty.
        """
        try:
            with self._locks.hold(LockName.network(network_id)):
                now = replace(actual, held=self._publisher.held())
                desired, found = self._survey.look_at(network_id, now)
                done = self.repair(found, desired)
                done += self.mended(self.rules.align_network(desired)) if rules else []
                return desired, self._ledger.checked(network_id, done)
        except PynetError as error:
            log.info("network not checked", network=network_id[:12], error=str(error))
            return Desired(network_id), ()

    def host(self, *, bridges: bool) -> None:
        """Find out whether others turned forwarding on or off, and with ``bridges`` which bridges others have now."""
        self._settings.concede()
        off = [] if self._firewall.missing else [path for path in FORWARDING.values() if self._is_off(path)]
        # The repair is not necessary, and not noted, if no network needs the forwarding.
        self._ledger.checked("", self.repair([HostSettingChanged("", path, OFF, OURS) for path in off], NOTHING))
        self.resolver()
        if bridges:
            self._settings.look_at_bridges()

    def resolver(self) -> Sequence[Repair]:
        """Give the host the addresses of the resolver again that others took away."""
        gone = [ResolverAddressGone("", address) for address in self._places.missing()]
        return self._ledger.checked(RESOLVER, self.repair(gone, NOTHING))

    def _is_off(self, path: str) -> bool:
        with suppress(Missing):  # a kernel without IPv6
            return self._kernel.read_setting(path) == OFF
        return False

    def refused(self) -> Sequence[Repair]:
        """Note the owners whose elements nft or the kernel refuse."""
        refused = self._firewall.refused().items()
        return self._ledger.checked(REFUSED, [self._ledger.failed(finding, Failed(why)) for finding, why in refused])

    def orphan(self, orphan: OrphanLink) -> Sequence[Repair]:
        """Delete a link if it is still an orphan."""
        try:
            with self._locks.hold(*locks_of(orphan.alias)):
                nobodys = self._survey.is_orphan(orphan) and not self._firewall.owns(orphan.link)
                return self.repair([orphan] if nobodys else [], NOTHING)
        except PynetError as error:
            log.info("link not checked", link=orphan.link, error=str(error))
            return ()

    def repair(self, found: Iterable[Finding], desired: Desired) -> list[Repair]:
        """Repair findings of a network that wants ``desired``; the caller holds its lock."""
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

    def mended(self, results: Iterable[tuple[RulesAstray, Exception | None]]) -> list[Repair]:
        """Note how elements in memory were brought in line with the records."""
        return [self._ledger.failed(astray, why) if why else self._ledger.repaired(astray) for astray, why in results]
