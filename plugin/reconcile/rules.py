"""Compares the elements that the firewall holds in memory with the records, which are the truth.

The firewall compares the kernel with its memory. So an element in memory that a failed request left there, or that a
removal could not take away, would be written for ever; this module finds it.
"""

from collections.abc import Collection, Iterator, Mapping

import structlog

from netlink.errors import KernelError
from netlink.links import Link
from plugin.errors import PynetError
from plugin.firewall.wants import Owned
from plugin.host.forwarding import OWNER
from plugin.model.desired import Desired
from plugin.model.elements import Elements
from plugin.model.findings import RulesAstray
from plugin.model.names import SHIM, Alias
from plugin.model.records import Tombstone
from plugin.modes.registry import link_prefixes
from plugin.reconcile.survey import Survey
from plugin.request.locks import LockName
from plugin.runtime import Runtime

log = structlog.get_logger()

UNKNOWN, MISSING, OTHERS = "belong to no known owner", "are not known", "differ from the records"
Difference = tuple[RulesAstray, Elements | None]  # and the elements that are wanted instead


class Rules:
    """Compares without locks first, then again under the lock of each network where something differs.

    A request in flight holds that lock while rules and records differ. Other modules look after the tunnel of a known
    network (``plugin.cluster.overlay.table_sync``), the host (``plugin.host.forwarding``), links that networks share
    (``plugin.host.shim``), and a link that waits to be deleted: its rules go after it (``plugin.host.reaper``).
    """

    def __init__(self, runtime: Runtime, survey: Survey) -> None:
        self._kernel = runtime.kernel
        self._store = runtime.store
        self._firewall = runtime.firewall
        self._locks = runtime.locks
        self._reaper = runtime.reaper
        self._modes = runtime.modes
        self._survey = survey

    def align(self, desired: Collection[Desired]) -> list[tuple[RulesAstray, Exception | None]]:
        """Bring the memory of the firewall in line; return each finding, and why it could not be mended.

        ``desired`` is what all networks want, computed from the records.
        """
        done: list[tuple[RulesAstray, Exception | None]] = []
        for network in self._suspects(desired):
            try:
                done += self.align_strays(network)
            except (KernelError, PynetError) as error:
                log.info("rules not compared with the records", network=network[:12], error=str(error))
        return done

    def align_network(self, part: Desired) -> list[tuple[RulesAstray, Exception | None]]:
        """Do the same for what one network wants; the caller holds its lock."""
        owners = self._firewall.owners(*part.elements) if part.links and part.elements else {}
        return [(finding, self._mend(finding.owner, wanted)) for finding, wanted in _of_network(part, owners)]

    def strays(self, known: Collection[str]) -> list[str]:
        """Return networks with owners that are not ``known``, "" for owners of unknown networks."""
        unknown = {owned.network for owner, owned in self._firewall.owners().items() if owner not in known}
        return list(unknown)

    def align_strays(self, network: str) -> list[tuple[RulesAstray, Exception | None]]:
        """Do the same for one network, with owners that the records do not know."""
        with self._locks.hold(*([LockName.network(network)] if network else [])):
            return [(finding, self._mend(finding.owner, wanted)) for finding, wanted in self._again(network)]

    def look(self, desired: Collection[Desired]) -> list[RulesAstray]:
        """Return the findings that ``align`` would mend; raises ``KernelError`` and ``PynetError``."""
        found: list[RulesAstray] = []
        for network in self._suspects(desired):
            with self._locks.hold(*([LockName.network(network)] if network else [])):
                found += [finding for finding, _ in self._again(network)]
        return found

    def _suspects(self, desired: Collection[Desired]) -> list[str]:
        """Return the networks where something seems to differ, "" for owners of unknown networks."""
        return list(dict.fromkeys(finding.network for finding, _ in self._differences(desired, network=None)))

    def _again(self, network: str) -> list[Difference]:
        """Return the differences of one network, whose lock the caller holds."""
        return list(self._differences(self._survey.desired(network), network=network))

    def _mend(self, owner: str, wanted: Elements | None) -> Exception | None:
        try:
            if wanted is not None:
                self._firewall.put(owner, wanted)
            elif link := self._link(owner):
                self._reaper.bury([Tombstone(owner, Alias.read(link.alias).id)])
            else:
                self._firewall.forget(owner)
        except (KernelError, PynetError) as error:
            return error
        return None

    def _differences(self, desired: Collection[Desired], network: str | None) -> Iterator[Difference]:
        """Yield the owners of one network, of unknown ones ("") or of all (None) that differ from the records."""
        doomed = {item.record.link for item in self._store.list(Tombstone)}  # first: rules go before their tombstones
        owners = self._firewall.owners()
        unclear = {part.network for part in desired if not part.links}  # closed, and nothing about them is known
        for part in desired if network != "" else ():
            yield from _of_network(part, owners) if part.links else ()
        known = {OWNER, *doomed, *(owner for part in desired for owner in part.kept)}
        known |= {owner for part in desired for owner in part.elements}
        for owner, owned in owners.items():
            place = owned.network
            if owner in known or owner.startswith(SHIM) or network not in (None, place) or place in unclear:
                continue
            if place or not self._link(owner):  # a link of an unknown network may be one in the making
                yield RulesAstray(place, owner, UNKNOWN), None

    def _link(self, owner: str) -> Link | None:
        """Return the link with the name of an owner, if pynet gives such names."""
        return self._kernel.link(owner) if owner.startswith(link_prefixes(self._modes)) else None


def _of_network(part: Desired, owners: Mapping[str, Owned]) -> Iterator[Difference]:
    for owner, wanted in part.elements.items():
        if owner in part.kept:
            continue
        if owner not in owners:
            yield RulesAstray(part.network, owner, MISSING), wanted
        elif not _alike(owners[owner].elements, wanted):
            yield RulesAstray(part.network, owner, OTHERS), wanted


def _alike(one: Elements, other: Elements) -> bool:
    return one == other or frozenset(one) == frozenset(other)
