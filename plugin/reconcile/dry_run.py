"""Finds what a repair would do, as the reconciler does, and changes nothing; runs in the serving process.

Each finding of the survey is checked again under the locks of its network or link, so that a request in flight is no
drift. Tables without an owner are no drift either: this process removes them a while after the last network.
"""

from collections.abc import Iterable

from plugin.model.desired import Actual
from plugin.model.findings import Finding, HostSettingChanged, OrphanLink, ResolverAddressGone, TableLeft
from plugin.protocol.messages import Repair
from plugin.reconcile.rules import Rules
from plugin.reconcile.survey import Survey
from plugin.request.locks import LOOK, LockName, locks_of
from plugin.runtime import Runtime


class DryRun:
    """The reconciler (``plugin.reconcile.reconciler``) without repairs."""

    def __init__(self, runtime: Runtime, survey: Survey) -> None:
        self._firewall = runtime.firewall
        self._publisher = runtime.publisher
        self._locks = runtime.locks
        self._places = runtime.places
        self._survey = survey
        self._rules = Rules(runtime, survey)

    def look(self) -> list[Repair]:
        """Return what is out of line now.

        Raises:
            KernelError, PynetError: the survey was not possible, or a request kept its lock for too long.
        """
        with self._locks.hold(LOOK):
            rules = [finding for finding in self._firewall.differences() if not isinstance(finding, TableLeft)]
            look = self._survey.look(self._publisher.held(), idle=False)
            host = [finding for finding in look.found if isinstance(finding, HostSettingChanged)]
            lasting = [*rules, *host, *self._of_networks(look.found, look.actual), *self._orphans(look.found)]
            lasting += self._rules.look(look.desired.values())
            lasting += [ResolverAddressGone("", address) for address in self._places.missing()]
        return [Repair(finding.kind, finding.sentence) for finding in lasting]

    def _of_networks(self, found: Iterable[Finding], actual: Actual) -> list[Finding]:
        lasting: list[Finding] = []
        for network in dict.fromkeys(finding.network for finding in found if finding.network):
            with self._locks.hold(LockName.network(network)):
                lasting += self._survey.look_at(network, actual)[1]
        return lasting

    def _orphans(self, found: Iterable[Finding]) -> list[Finding]:
        lasting: list[Finding] = []
        for orphan in found:
            if isinstance(orphan, OrphanLink):
                with self._locks.hold(*locks_of(orphan.alias)):
                    nobodys = self._survey.is_orphan(orphan) and not self._firewall.owns(orphan.link)
                    lasting += [orphan] if nobodys else []
        return lasting
