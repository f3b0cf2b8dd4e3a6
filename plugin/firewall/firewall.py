"""The firewall as pynet wants it, and its copy in the kernel.

What is wanted lives in memory (loaded from the store at start): each owner, a network's or an endpoint's link or the
ports of an endpoint, has its elements. So tables that somebody flushed can be written again whole. They exist while
somebody owns something, and a little longer.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from netlink.errors import KernelError, Missing
from netlink.setelem import ElementChange
from plugin.firewall.accepts import Accepts, own_names
from plugin.firewall.elements import docker_elements
from plugin.firewall.listing import Listing
from plugin.firewall.ruleset import FAMILIES, Elements, changes, misfit, remove_text, tables_text
from plugin.firewall.seen import Seen
from plugin.firewall.writing import Writing, misfits
from plugin.locks import Locks
from plugin.ports import Nft
from plugin.reconcile.findings import AcceptsChanged, Finding, RulesRefused, TableChanged, TableLeft

log = structlog.get_logger()

LINGER = 2.5  # seconds that the tables outlive their last owner; another network often follows
_DOCKER = "Docker's bridges"  # an owner


class Firewall:
    """Two tables, called after this pynet. Verbs may raise ``KernelError`` or ``Busy``: nothing is changed then.

    An owner whose elements cannot be written is closed and told by ``refused``, and nobody else notices. While the
    tables are missing and cannot be written no owner is taken, and ``missing`` says so.
    """

    def __init__(self, nft: Nft, table: str, linger: float = LINGER, locks: Locks | None = None) -> None:
        self._nft = nft
        self._table = table
        self._linger = linger
        self._locks = locks or Locks()  # "firewall" guards what is wanted, and the order of transactions
        self._writing, self._listing, self._accepts = Writing(nft, table), Listing(nft, table), Accepts(nft, table)
        self._seen = Seen(nft)
        self._wanted: dict[str, Elements] = {}  # by owner
        self._docker: frozenset[str] = frozenset()
        self._written = False  # whether the tables are in the kernel, as far as is known
        self._missing = False  # whether they are not, and could not be written
        self._doubtful = False  # whether a change was refused, or done and its answer lost
        self._idle_since = 0.0  # when the last owner went, by the monotonic clock

    @property
    def missing(self) -> bool:
        """Whether the tables were missing and could not be written, so that nothing is guarded."""
        return self._missing

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Take ``wanted`` as everything that is wanted, by owner, and write the tables anew."""
        with self._locks.hold("firewall"):
            self._wanted = dict(wanted)
            self._write()

    def expect(self, wanted: Mapping[str, Elements], bridges: frozenset[str], rules: list[str]) -> None:
        """Take ``wanted``, Docker's ``bridges`` and the static ``rules`` as listed for written, and write nothing."""
        with self._locks.hold("firewall"):
            self._wanted, self._docker, self._listing.rules, self._written = dict(wanted), bridges, rules, True
            self._writing.refused = misfits(self._wanted)

    def put(self, owner: str, elements: Elements) -> None:
        """Let ``owner`` have these elements, and none that it had before."""
        with self._locks.hold("firewall"):
            had, before = self._admitted(owner), self._wanted.get(owner)
            refused = self._writing.refused.pop(owner, None)
            self._wanted[owner] = elements
            try:
                self._change(changes(had, elements))
                self._writing.check(owner)
                if not self._accepts.seen or own_names(elements):
                    self._accepts.add(self._names())
            except KernelError:
                self._doubtful = True
                del self._wanted[owner]
                self._wanted |= {} if before is None else {owner: before}
                self._writing.refused |= {} if refused is None else {owner: refused}
                raise

    def forget(self, *owners: str) -> None:
        """Take away what ``owners`` have, those that have something, in one transaction."""
        with self._locks.hold("firewall"):
            had = {owner: self._admitted(owner) for owner in owners if owner in self._wanted}
            known = {owner: self._wanted.pop(owner) for owner in had}
            if not known:
                return
            try:
                if not self._missing:
                    self._change([change for elements in had.values() for change in changes(elements, {})])
                    if any(map(own_names, had.values())):
                        self._accepts.add(self._names())
            except KernelError:
                self._doubtful = True
                self._wanted |= known
                raise
            for owner in owners:
                self._writing.refused.pop(owner, None)
            self._idle_since = time.monotonic()

    def owns(self, owner: str) -> bool:
        """Say whether ``owner`` has asked for something, be it nothing, and not taken it back."""
        return owner in self._wanted

    def set_docker_bridges(self, names: frozenset[str]) -> None:
        """Keep networks from reaching Docker's own bridges ``names`` (the other way is closed to all)."""
        with self._locks.hold("firewall"):
            fit = frozenset(name for name in names if not misfit(docker_elements([name])))
            if fit == self._docker:
                return
            before, self._docker = self._docker, fit
            try:
                if self._written:
                    self._change(changes(docker_elements(before), docker_elements(fit)))
            except KernelError:
                self._docker = before
                raise

    def heal(self, *, elements: bool = False) -> list[Finding]:
        """Put back what another program removed, tables or accepts, and return what it was; see ``differences``.

        Without an owner the tables are removed: here, a while after their last owner, because the kernel takes longer
        for tables with their hooks than for everything else that creating a network needs.
        """
        with self._locks.hold("firewall"):
            if self._doubtful:
                log.info("nftables tables written anew after a change that failed", table=self._table)
                self._write()
            if not self._wanted:
                if self._written and time.monotonic() - self._idle_since >= self._linger:
                    self._write()
                return []
            found = self._seen.look(self._differences, elements=elements)
            if any(isinstance(finding, TableChanged) for finding in found):
                self._write()
                self._listing.learn(self._contents())
            elif found:
                self._accepts.add(self._names())
            if elements:
                self._try_again()
            return found

    def refused(self) -> dict[Finding, str]:
        """Return who is closed because its elements cannot be written, and why."""
        with self._locks.hold("firewall"):
            return {RulesRefused("", owner): why for owner, why in self._writing.refused.items()}

    def differences(self) -> list[Finding]:
        """Return how tables, elements and accepts differ from what is wanted, and change nothing."""
        with self._locks.hold("firewall"):
            if self._wanted:
                refused = [RulesRefused("", owner) for owner in self._writing.refused]
                return [*self._differences(elements=True), *refused]
            return [] if self._listing.tables() is None else [TableLeft("", self._table)]

    def close(self) -> None:
        """Take the tables away now if nothing is wanted any more: nobody would do it later."""
        with self._locks.hold("firewall"):
            if self._written and not self._wanted:
                self._write()

    def _differences(self, *, elements: bool) -> list[Finding]:
        """``elements`` are looked at only when asked for: listing ten thousand takes 0.18 s, the rules alone 0.07."""
        wrong = self._listing.complaint(self._contents() if elements else None)
        found: list[Finding] = [TableChanged("", self._table, wrong)] if wrong else []
        return found + [AcceptsChanged("", chain) for chain in self._accepts.wrong(self._names())]

    def _contents(self) -> list[Elements]:
        return [*map(self._admitted, self._wanted), docker_elements(self._docker)]

    def _change(self, wanted: Sequence[ElementChange]) -> None:
        """Apply changes; if the tables or what is to be deleted are gone, write them whole, which includes these."""
        if self._missing:
            self._write()
        elif wanted:
            try:
                self._nft.change(self._table, wanted)
            except Missing:
                log.info("nftables tables written", table=self._table)
                self._write()

    def _try_again(self) -> None:
        """Give those who were refused what they want, where the kernel takes it now."""
        for owner in list(self._writing.refused):
            with suppress(KernelError):
                self._nft.change(self._table, changes(self._admitted(owner), self._wanted.get(owner, {})))
                del self._writing.refused[owner]

    def _write(self) -> None:
        if self._wanted:
            try:
                self._writing.write({**self._wanted, _DOCKER: docker_elements(self._docker)})
            except KernelError as error:
                self._missing = not self._there()
                if self._missing:
                    raise KernelError(
                        f"nftables tables '{self._table}' are missing, so all is closed: {error}"
                    ) from error
                raise
            self._written, self._doubtful, self._missing = True, False, False
            self._listing.keep()
            self._accepts.add(self._names())
        else:
            self._nft.apply(remove_text(self._table))
            self._accepts.withdraw()
            self._written, self._doubtful, self._missing = False, False, False
            self._listing.rules = None

    def _there(self) -> bool:
        """Say whether the tables are there; where that cannot be known, they are taken to be what they were."""
        try:
            return self._nft.exists(self._table)
        except KernelError:
            return not self._missing

    def _admitted(self, owner: str) -> Elements:
        return self._writing.admit(self._wanted, owner)

    def _names(self) -> set[str]:
        """Return the links of networks whose names pynet did not choose."""
        return {name for owner in self._wanted for name in own_names(self._admitted(owner))}


def static_rules(nft: Nft, table: str) -> list[str]:
    """Write the tables without elements and return how their rules are listed: in a namespace made for it."""
    nft.apply(tables_text(table, []))
    return [nft.rules(f"table {family} {table}") for family in FAMILIES]
