"""The firewall that pynet wants, and its copy in the kernel.

pynet keeps in memory which elements each owner wants; an owner is the link of a network or an endpoint, or the ports of
an endpoint. It loads them from the store at start, and ``plugin.reconcile.rules`` compares them with the store. So it
can write tables whole that somebody flushed. The tables exist while there are owners, and a little longer.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto

import structlog

from netlink.errors import Exists, KernelError, Missing
from netlink.nft_elements import Element
from plugin.errors import Conflict
from plugin.firewall.elements import docker_elements
from plugin.firewall.foreign_chains import Accepts
from plugin.firewall.listing import Listing
from plugin.firewall.looks import Looks
from plugin.firewall.ruleset import remove_text
from plugin.firewall.wants import Owned, Wants
from plugin.firewall.writing import Writing
from plugin.interfaces import Nft
from plugin.model.elements import Elements
from plugin.model.findings import Finding, RulesRefused, TableLeft
from plugin.request.locks import FIREWALL, LOOK_AT_RULES, Locks

log = structlog.get_logger()

LINGER = 2.5  # seconds that the tables outlive their last owner; another network often follows


class Tables(Enum):
    """The tables in the kernel, as far as this process knows."""

    NOT_NEEDED = auto()  # there is no owner, so they were not written or were removed
    WRITTEN = auto()
    DOUBTFUL = auto()  # a change was refused, or its answer was lost
    MISSING = auto()  # they could not be written, so nothing is guarded


class Firewall:
    """Two tables, named after this pynet. Methods may raise ``KernelError`` or ``Busy``; nothing is changed then.

    An owner whose elements cannot be written is closed, and ``refused`` names it; this does not concern other owners.
    While the tables are ``missing``, no owner is accepted.
    """

    def __init__(self, nft: Nft, table: str, linger: float = LINGER, locks: Locks | None = None) -> None:
        self._nft = nft
        self._table = table
        self._linger = linger
        self._locks = locks or Locks()  # FIREWALL guards what is wanted, and the order of transactions
        self._writing, self._listing, self._accepts = Writing(nft, table), Listing(nft, table), Accepts(nft, table)
        self._wants = Wants(self._doubt)
        self._looks = Looks(nft, self._listing, self._accepts, self._wants, self._locks)
        self._tables = Tables.NOT_NEEDED
        self._gone_at = 0.0  # monotonic time at which tables without an owner are removed

    @property
    def missing(self) -> bool:
        """Whether the tables were missing and could not be written, so that nothing is guarded."""
        return self._tables is Tables.MISSING

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Replace the elements of all owners by ``wanted``, and bring the tables in line or write them anew."""
        with self._locks.hold(FIREWALL):
            self._wants.load(wanted)
            if self._wants and self._listing.take_over(self._wants.picture().contents):
                self._tables = Tables.WRITTEN
                self._accepts.add(self._wants.named())
            else:
                self._write(self._wants.refused)

    def expect(self, wanted: Mapping[str, Elements], bridges: frozenset[str], parts: Sequence[bytes]) -> None:
        """Assume that ``wanted``, Docker's ``bridges`` and the static ``parts``, as listed, are in the kernel."""
        with self._locks.hold(FIREWALL):
            self._wants.docker, self._listing.parts, self._tables = docker_elements(bridges), parts, Tables.WRITTEN
            self._wants.load(wanted)

    def owners(self, *some: str) -> dict[str, Owned]:
        """Return the elements and the network of each owner, or of ``some`` that were put."""
        with self._locks.hold(FIREWALL):
            return self._wants.owners(*some)

    def put(self, owner: str, elements: Elements) -> None:
        """Replace the elements of ``owner``.

        Raises:
            KernelError: an element does not fit its set, or cannot be written.
            Conflict: another owner has a key of a map, such as a published port.
        """
        locks = self._locks.held()
        with self._locks.hold(FIREWALL):
            self._wants.check(owner, elements)
            with self._wants.attempt(owner):
                named = self._wants.names(owner)
                self._change(*self._wants.put(owner, elements, locks))
                if owner in self._wants.refused:
                    raise KernelError(self._wants.refused[owner])
                if named or self._wants.names(owner) or not self._accepts.seen:
                    self._accepts.add(self._wants.named())

    def forget(self, *owners: str) -> None:
        """Remove the elements of ``owners`` in one transaction; unknown owners are ignored."""
        if not any(owner in self._wants for owner in owners):
            return  # without waiting: callers hold the locks under which these owners are put
        with self._locks.hold(FIREWALL):
            known = [owner for owner in owners if owner in self._wants]
            with self._wants.attempt(*known):
                named = self._wants.names(*known)
                gone = self._wants.drop(*known)
                if not self.missing:
                    self._change(*gone)
                    if named:
                        self._accepts.add(self._wants.named())
            self._gone_at = time.monotonic() + self._linger

    def owns(self, owner: str) -> bool:
        """Return whether ``owner`` was put, also without elements, and not forgotten."""
        return owner in self._wants

    def count(self) -> int:
        """Return the number of owners."""
        return len(self._wants)

    def set_docker_bridges(self, names: frozenset[str]) -> None:
        """Close Docker's own bridges ``names`` to networks (networks are closed to everybody)."""
        with self._locks.hold(FIREWALL):
            fit = tuple(element for element in docker_elements(names) if not element.flaw)
            if fit != self._wants.docker:
                with self._wants.attempt():
                    changes = self._wants.put_docker(fit)
                    if self._tables in {Tables.WRITTEN, Tables.DOUBTFUL}:
                        self._change(*changes)

    def heal(self, *, elements: bool = False) -> list[Finding]:
        """Restore tables and accepts that another program changed; return the differences that were found.

        Requests wait while tables are written, not while they are listed. Without an owner, remove the tables. They
        outlive their last owner by a while, because the kernel takes longer for them than for the rest of a network.
        """
        with self._locks.hold(LOOK_AT_RULES):
            if not self._settled():
                return []
            with self._looks.look(elements=elements) as look:
                if look.tables and not self._listing.restored(look.tables, look.number):
                    self._write()
                elif look.found:
                    self._accepts.add(self._wants.named())
            if elements and self._wants.refused:
                with self._locks.hold(FIREWALL):
                    self._try_again()
            return look.found

    def _settled(self) -> bool:
        """Write or remove the tables if that is due; return whether there are owners."""
        if self._wants and self._tables is not Tables.DOUBTFUL:
            return True
        with self._locks.hold(FIREWALL):
            if self._tables is Tables.DOUBTFUL:
                log.info("nftables tables written anew after a change that failed", table=self._table)
                self._write()
            elif not self._wants and self._tables is not Tables.NOT_NEEDED and time.monotonic() >= self._gone_at:
                self._write()
            return bool(self._wants)

    def refused(self) -> dict[Finding, str]:
        """Return the owners that are closed because their elements cannot be written, and why."""
        with self._locks.hold(FIREWALL):
            return {RulesRefused("", owner): why for owner, why in self._wants.refused.items()}

    def differences(self) -> list[Finding]:
        """Return how tables, elements and accepts differ from the wanted ones; change nothing."""
        with self._locks.hold(LOOK_AT_RULES):
            if not self._wants:
                return [] if self._listing.tables() is None else [TableLeft("", self._table)]
            with self._looks.look(elements=True) as look:
                pass
            return [*look.found, *self.refused()]

    def close(self) -> None:
        """Remove the tables if there is no owner: nobody would do it later."""
        with self._locks.hold(FIREWALL):
            if self._tables is not Tables.NOT_NEEDED and not self._wants:
                self._write()

    def _change(self, delete: Sequence[Element], add: Sequence[Element]) -> None:
        """Change elements; write the tables whole instead if the kernel no longer has what was written.

        Then the tables or elements to delete are gone, or another program added a key of a map.
        """
        if self.missing:
            self._write()
        elif delete or add:
            try:
                self._nft.change(self._table, delete, add)
            except (Missing, Exists):
                log.info("nftables tables written", table=self._table)
                self._write()

    def _doubt(self) -> None:
        """Note that the kernel may have other elements, after a change that failed."""
        if not self.missing:
            self._tables = Tables.DOUBTFUL

    def _try_again(self) -> None:
        """Write the elements of refused owners, if the kernel accepts them now."""
        for owner in list(self._wants.refused):
            wanted = self._wants.owners()[owner].elements
            with suppress(KernelError, Conflict), self._wants.attempt(owner):
                self._wants.check(owner, wanted)
                self._nft.change(self._table, *self._wants.put(owner, wanted, ()))
        if self._tables is Tables.DOUBTFUL:  # not really: owners that were refused again are closed as before
            self._tables = Tables.WRITTEN

    def _write(self, settled: Mapping[str, str] | None = None) -> None:
        """Write the tables, or remove them; ``settled`` are the owners that are closed, if that was just found out."""
        if self._wants:
            try:
                number, wanted = self._nft.generation(), self._wants.everything()
                refused = self._writing.write(wanted, self._wants.unfit() if settled is None else settled)
            except KernelError as error:
                if not self._listing.exists(unknown=not self.missing):
                    self._tables = Tables.MISSING
                    raise KernelError(
                        f"nftables tables '{self._table}' are missing, so all is closed: {error}"
                    ) from error
                if self.missing:
                    self._tables = Tables.DOUBTFUL
                raise
            self._wants.settle(refused)
            self._tables = Tables.WRITTEN
            self._listing.keep(number)
            self._accepts.add(self._wants.named())
        else:
            self._nft.apply(remove_text(self._table))
            self._accepts.withdraw()
            self._tables = Tables.NOT_NEEDED
            self._listing.parts = None


def static_parts(nft: Nft, table: str) -> Sequence[bytes]:
    """Write the tables without elements and return how their parts are listed: in a namespace made for it."""
    Writing(nft, table).write({}, {})
    return nft.static_parts(table)
