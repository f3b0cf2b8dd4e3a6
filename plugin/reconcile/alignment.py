"""Brings the kernel from one wanted state of a network to another, all of it or nothing.

The repairs of the reconciler do the work. Differences that were there before are left to the reconciler: they are no
reason to refuse a change.
"""

from collections.abc import Collection

from plugin.model.desired import Actual, Desired
from plugin.model.findings import Finding, OrphanLink
from plugin.reconcile.repairs import Repairs
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.undo import Undo
from plugin.runtime import Runtime


class Alignment:
    """The caller holds the locks of the network and of the endpoints that are part of the state."""

    def __init__(self, runtime: Runtime, survey: Survey, removal: Removal) -> None:
        self._kernel = runtime.kernel
        self._firewall = runtime.firewall
        self._publisher = runtime.publisher
        self._survey = survey
        self._shims = runtime.applier.shims
        self._repairs = Repairs(runtime, removal)

    def change(self, before: Desired, after: Desired, undo: Undo) -> None:
        """Make ``after`` of ``before``, rules first; ``undo`` takes back each step.

        Raises:
            KernelError, PynetError: a step was not possible.
        """
        known = frozenset(self._look(before))
        for owner, elements in after.elements.items():
            if owner not in after.kept and elements != before.elements.get(owner):
                undo.push(self._firewall.put, owner, before.elements.get(owner, ()))
                self._firewall.put(owner, elements)
        for owner, elements in before.elements.items():
            if owner not in before.kept and owner not in after.elements:
                undo.push(self._firewall.put, owner, elements)
                self._firewall.forget(owner)
        undo.push(self._mend, after, before, known)
        self._mend(before, after, known)

    def _mend(self, before: Desired, after: Desired, known: Collection[Finding]) -> None:
        """Repair all differences from ``after`` but the ``known`` ones."""
        for finding in [each for each in self._look(after) if each not in known]:
            self._repairs.repair(finding, after)
        self._shims.release(route for route in before.routes if route not in after.routes)
        lasting = {link.name for link in (*after.links, *(shared.link for shared in before.shared))}
        for link in before.links:
            if link.name not in lasting:
                self._repairs.repair(OrphanLink("", link.name, link.alias), after)
        were = {link.name: link.port for link in before.links}
        for wanted in after.links:
            was = were.get(wanted.name)
            if wanted.port and was and was != wanted.port:  # the kernel lists flags of a port, and no MACs
                self._kernel.set_port(wanted.name, wanted.port, set(was.macs) - set(wanted.port.macs))

    def _look(self, part: Desired) -> list[Finding]:
        return self._survey.compare(part, Actual(held=self._publisher.held()))
