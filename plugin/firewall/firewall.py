"""The firewall as pynet wants it, and its copy in the kernel.

What is wanted lives in memory (loaded from the store at start, and compared with it by ``plugin.reconcile.rules``):
each owner, a network's or an endpoint's link or the ports of an endpoint, has its elements; what several owners have
goes with the last (``shares``). So tables that somebody flushed can be written again whole. They exist while somebody
owns something, and a little longer.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from netlink.errors import Exists, KernelError, Missing
from netlink.nft_elements import Element
from plugin.errors import Conflict
from plugin.firewall.elements import docker_elements
from plugin.firewall.foreign_chains import Accepts
from plugin.firewall.listing import Listing
from plugin.firewall.ruleset import RULES, remove_text, tables_text
from plugin.firewall.seen import Seen
from plugin.firewall.wants import Owned, Wants
from plugin.firewall.writing import Writing
from plugin.interfaces import Nft
from plugin.model.elements import Elements, misfit
from plugin.model.findings import AcceptsChanged, Finding, RulesRefused, TableChanged, TableLeft
from plugin.request.locks import FIREWALL, Locks

log = structlog.get_logger()

LINGER = 2.5  # seconds that the tables outlive their last owner; another network often follows


class Firewall:
    """Two tables, called after this pynet. Verbs may raise ``KernelError`` or ``Busy``: nothing is changed then.

    An owner whose elements cannot be written is closed and told by ``refused``, and nobody else notices. While the
    tables are missing and cannot be written no owner is taken, and ``missing`` says so.
    """

    def __init__(self, nft: Nft, table: str, linger: float = LINGER, locks: Locks | None = None) -> None:
        self._nft = nft
        self._table = table
        self._linger = linger
        self._locks = locks or Locks()  # FIREWALL guards what is wanted, and the order of transactions
        self._writing, self._listing, self._accepts = Writing(nft, table), Listing(nft, table), Accepts(nft, table)
        self._seen = Seen(nft)
        self._wants = Wants()
        self._written = False  # whether the tables are in the kernel, as far as is known
        self._missing = False  # whether they are not, and could not be written
        self._idle_since = 0.0  # when the last owner went, by the monotonic clock

    @property
    def missing(self) -> bool:
        """Whether the tables were missing and could not be written, so that nothing is guarded."""
        return self._missing

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Take ``wanted`` as everything that is wanted, by owner, and write the tables anew."""
        with self._locks.hold(FIREWALL):
            self._wants.load(wanted)
            self._write()

    def expect(self, wanted: Mapping[str, Elements], bridges: frozenset[str], rules: list[str]) -> None:
        """Take ``wanted``, Docker's ``bridges`` and the static ``rules`` as listed for written, and write nothing."""
        with self._locks.hold(FIREWALL):
            self._wants.docker, self._listing.rules, self._written = bridges, rules, True
            self._wants.load(wanted)

    def owners(self) -> dict[str, Owned]:
        """Return what each owner wants, and which locks to take to ask about it."""
        with self._locks.hold(FIREWALL):
            return self._wants.owners()

    def put(self, owner: str, elements: Elements) -> None:
        """Let ``owner`` have these elements, and none that it had before.

        Raises:
            KernelError: an element does not fit its set, or cannot be written.
            Conflict: a key of a map leads elsewhere for another owner, as a port does that it has published.
        """
        locks = self._locks.held()
        with self._locks.hold(FIREWALL):
            self._wants.check(owner, elements)
            with self._wants.attempt(owner):
                self._change(*self._wants.put(owner, elements, locks))
                if owner in self._wants.refused:
                    raise KernelError(self._wants.refused[owner])
                if not self._accepts.seen or self._wants.names(owner):
                    self._accepts.add(self._wants.names())

    def forget(self, *owners: str) -> None:
        """Take away what ``owners`` have, those that have something, in one transaction."""
        if not any(owner in self._wants for owner in owners):
            return  # without waiting: who puts and who forgets them hold the same locks
        with self._locks.hold(FIREWALL):
            known = [owner for owner in owners if owner in self._wants]
            named = self._wants.names(*known) if known else set()
            with self._wants.attempt(*known):
                gone = self._wants.drop(*known)
                if not self._missing:
                    self._change(*gone)
                    if named:
                        self._accepts.add(self._wants.names())
            self._idle_since = time.monotonic()

    def owns(self, owner: str) -> bool:
        """Say whether ``owner`` has asked for something, be it nothing, and not taken it back."""
        return owner in self._wants

    def set_docker_bridges(self, names: frozenset[str]) -> None:
        """Keep networks from reaching Docker's own bridges ``names`` (the other way is closed to all)."""
        with self._locks.hold(FIREWALL):
            fit = frozenset(name for name in names if not misfit(docker_elements([name])))
            if fit != self._wants.docker:
                with self._wants.attempt():
                    changes = self._wants.put_docker(fit)
                    if self._written:
                        self._change(*changes)

    def heal(self, *, elements: bool = False) -> list[Finding]:
        """Put back what another program removed, tables or accepts, and return what it was; see ``differences``.

        Without an owner the tables are removed: here, a while after their last owner, because the kernel takes longer
        for tables with their hooks than for everything else that creating a network needs.
        """
        with self._locks.hold(FIREWALL):
            if self._wants.doubtful:
                log.info("nftables tables written anew after a change that failed", table=self._table)
                self._write()
            if not self._wants:
                if self._written and time.monotonic() - self._idle_since >= self._linger:
                    self._write()
                return []
            found = self._seen.look(self._differences, elements=elements)
            if any(isinstance(finding, TableChanged) for finding in found):
                self._write()
                self._listing.learn(self._wants.contents())
            elif found:
                self._accepts.add(self._wants.names())
            if elements:
                self._try_again()
            return found

    def refused(self) -> dict[Finding, str]:
        """Return who is closed because its elements cannot be written, and why."""
        with self._locks.hold(FIREWALL):
            return {RulesRefused("", owner): why for owner, why in self._wants.refused.items()}

    def differences(self) -> list[Finding]:
        """Return how tables, elements and accepts differ from what is wanted, and change nothing."""
        with self._locks.hold(FIREWALL):
            if self._wants:
                refused = [RulesRefused("", owner) for owner in self._wants.refused]
                return [*self._differences(elements=True), *refused]
            return [] if self._listing.tables() is None else [TableLeft("", self._table)]

    def close(self) -> None:
        """Take the tables away now if nothing is wanted any more: nobody would do it later."""
        with self._locks.hold(FIREWALL):
            if self._written and not self._wants:
                self._write()

    def _differences(self, *, elements: bool) -> list[Finding]:
        """``elements`` are looked at only when asked for: listing ten thousand takes 0.18 s, the rules alone 0.07."""
        wrong = self._listing.complaint(self._wants.contents() if elements else None)
        found: list[Finding] = [TableChanged("", self._table, wrong)] if wrong else []
        return found + [AcceptsChanged("", chain) for chain in self._accepts.wrong(self._wants.names())]

    def _change(self, delete: Sequence[Element], add: Sequence[Element]) -> None:
        """Apply changes; where the kernel has not what was written, write the tables whole, which includes these.

        The tables or what is to be deleted are gone then, or a key of a map leads where nobody wants it to.
        """
        if self._missing:
            self._write()
        elif delete or add:
            try:
                self._nft.change(self._table, delete, add)
            except (Missing, Exists):
                log.info("nftables tables written", table=self._table)
                self._write()

    def _try_again(self) -> None:
        """Give those who were refused what they want, where the kernel takes it now."""
        for owner in list(self._wants.refused):
            wanted = self._wants.owners()[owner].elements
            with suppress(KernelError, Conflict), self._wants.attempt(owner):
                self._wants.check(owner, wanted)
                self._nft.change(self._table, *self._wants.put(owner, wanted, ()))
        self._wants.doubtful = False  # who was refused again is closed as before

    def _write(self) -> None:
        if self._wants:
            try:
                refused = self._writing.write(self._wants.everything())
            except KernelError as error:
                self._missing = not self._there()
                if self._missing:
                    raise KernelError(
                        f"nftables tables '{self._table}' are missing, so all is closed: {error}"
                    ) from error
                raise
            self._wants.settle(refused)
            self._written, self._wants.doubtful, self._missing = True, False, False
            self._listing.keep()
            self._accepts.add(self._wants.names())
        else:
            self._nft.apply(remove_text(self._table))
            self._accepts.withdraw()
            self._written, self._wants.doubtful, self._missing = False, False, False
            self._listing.rules = None

    def _there(self) -> bool:
        """Say whether the tables are there; where that cannot be known, they are taken to be what they were."""
        try:
            return self._nft.exists(self._table)
        except KernelError:
            return not self._missing


def static_rules(nft: Nft, table: str) -> list[str]:
    """Write the tables without elements and return how their rules are listed: in a namespace made for it."""
    nft.apply(tables_text(table, []))
    return [nft.rules(f"table {family} {table}") for family in RULES]
