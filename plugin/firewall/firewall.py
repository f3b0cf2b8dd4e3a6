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
from plugin.firewall import docker
from plugin.firewall.elements import docker_elements
from plugin.firewall.listing import difference, listed_contents, wanted_contents
from plugin.firewall.ruleset import FAMILIES, Elements, changes, remove_text, tables_text
from plugin.locks import Locks
from plugin.ports import Nft
from plugin.reconcile.findings import AcceptsChanged, Finding, TableChanged, TableLeft

log = structlog.get_logger()

LINGER = 2.5  # seconds that the tables outlive their last owner; another network often follows


class Firewall:
    """Two tables, called after this pynet. Verbs may raise ``KernelError`` or ``Busy``: nothing is changed then."""

    def __init__(self, nft: Nft, table: str, linger: float = LINGER, locks: Locks | None = None) -> None:
        self._nft = nft
        self._table = table
        self._linger = linger
        self._locks = locks or Locks()  # "firewall" guards what is wanted, and the order of transactions
        self._wanted: dict[str, Elements] = {}  # by owner
        self._docker: frozenset[str] = frozenset()
        self._rules: list[str] | None = None  # the static rules as the kernel listed them; None: no tables, or unknown
        self._written = False  # whether the tables are in the kernel, as far as is known
        self._comparable = True  # whether this nft lists elements in the words in which they are written
        self._accepted = False  # whether the accepts beside Docker's rules were seen there
        self._doubtful = False  # whether a change was refused, or done and its answer lost
        self._idle_since = 0.0  # when the last owner went, by the monotonic clock

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Take ``wanted`` as everything that is wanted, by owner, and write the tables anew."""
        with self._locks.hold("firewall"):
            self._wanted = dict(wanted)
            self._write()

    def expect(self, wanted: Mapping[str, Elements], bridges: frozenset[str], rules: list[str]) -> None:
        """Take ``wanted``, Docker's ``bridges`` and the static ``rules`` as listed for written, and write nothing."""
        with self._locks.hold("firewall"):
            self._wanted, self._docker, self._rules, self._written = dict(wanted), bridges, rules, True

    def put(self, owner: str, elements: Elements) -> None:
        """Let ``owner`` have these elements, and none that it had before."""
        with self._locks.hold("firewall"):
            before = self._wanted.get(owner)
            self._wanted[owner] = elements
            try:
                self._change(changes(before or {}, elements))
                if not self._accepted or _own_names(elements):
                    self._accept()
            except KernelError:
                self._doubtful = True
                del self._wanted[owner]
                self._wanted |= {} if before is None else {owner: before}
                raise

    def forget(self, *owners: str) -> None:
        """Take away what ``owners`` have, those that have something, in one transaction."""
        with self._locks.hold("firewall"):
            known = {owner: self._wanted.pop(owner) for owner in owners if owner in self._wanted}
            if not known:
                return
            try:
                self._change([change for elements in known.values() for change in changes(elements, {})])
                if any(map(_own_names, known.values())):
                    self._accept()
            except KernelError:
                self._doubtful = True
                self._wanted |= known
                raise
            self._idle_since = time.monotonic()

    def set_docker_bridges(self, names: frozenset[str]) -> None:
        """Keep networks from reaching Docker's own bridges ``names`` (the other way is closed to all)."""
        with self._locks.hold("firewall"):
            if names == self._docker:
                return
            before, self._docker = self._docker, names
            try:
                if self._written:
                    self._change(changes(docker_elements(before), docker_elements(names)))
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
            found = self._differences(elements=elements)
            if any(isinstance(finding, TableChanged) for finding in found):
                self._write()
                self._learn_to_compare()
            elif found:
                self._accept()
            return found

    def differences(self) -> list[Finding]:
        """Return how tables, elements and accepts differ from what is wanted, and change nothing."""
        with self._locks.hold("firewall"):
            if self._wanted:
                return self._differences(elements=True)
            return [] if self._listed() is None else [TableLeft("", self._table)]

    def _differences(self, *, elements: bool) -> list[Finding]:
        """``elements`` are looked at only when asked for: listing ten thousand takes 0.18 s, the rules alone 0.07."""
        listed = self._listed()
        found: list[Finding] = []
        if listed is None:
            found.append(TableChanged("", self._table, "are missing"))
        elif not self._written or listed != self._rules:
            found.append(TableChanged("", self._table, "have other rules than pynet wrote"))
        elif elements and self._comparable and any(wrong := self._wrong_elements()):
            found.append(TableChanged("", self._table, "lack {} elements and have {} that nobody wants".format(*wrong)))
        for chain in docker.CHAINS:
            with suppress(Missing):
                if self._accepts_text(chain):
                    found.append(AcceptsChanged("", str(chain)))
        return found

    def _wrong_elements(self) -> tuple[int, int]:
        listed = [item for family in FAMILIES for item in self._nft.list(f"table {family} {self._table}")]
        wanted = wanted_contents([*self._wanted.values(), docker_elements(self._docker)])
        return difference(wanted, listed_contents(listed))

    def _learn_to_compare(self) -> None:
        """Stop comparing elements where they differ right after they were written: it would never end."""
        if self._comparable and any(self._wrong_elements()):
            self._comparable = False
            log.warning(
                "this nft lists elements in other words than expected; they are not compared", table=self._table
            )

    def close(self) -> None:
        """Take the tables away now if nothing is wanted any more: nobody would do it later."""
        with self._locks.hold("firewall"):
            if self._written and not self._wanted:
                self._write()

    def _change(self, wanted: Sequence[ElementChange]) -> None:
        """Apply changes; if the tables or what is to be deleted are gone, write them whole, which includes these."""
        if not wanted:
            return
        try:
            self._nft.change(self._table, wanted)
        except Missing:
            log.info("nftables tables written", table=self._table)
            self._write()

    def _write(self) -> None:
        if self._wanted:
            self._nft.apply(tables_text(self._table, [*self._wanted.values(), docker_elements(self._docker)]))
            self._written, self._doubtful = True, False
            self._rules = self._listed()
            self._accept()
        else:
            self._nft.apply(remove_text(self._table))
            self._withdraw_accepts()
            self._written, self._doubtful, self._rules = False, False, None

    def _listed(self) -> list[str] | None:
        """Return both tables as the kernel has them, without elements."""
        try:
            return [self._nft.rules(f"table {family} {self._table}") for family in FAMILIES]
        except Missing:
            return None

    def _names(self) -> list[str]:
        """Return the links of networks whose names pynet did not choose."""
        return sorted({name for elements in self._wanted.values() for name in _own_names(elements)})

    def _accept(self) -> None:
        """Let every chain of other firewalls have the accepts that are needed, and no other of pynet's."""
        for chain in docker.CHAINS:
            try:
                text = self._accepts_text(chain)
            except Missing:
                continue  # no such firewall on this host, so nobody drops there
            if text:
                self._nft.apply(text)
                log.debug("accept rules changed beside another firewall's", chain=str(chain))
        self._accepted = True

    def _accepts_text(self, chain: docker.Chain) -> str:
        """Return what makes the accepts in ``chain`` right; raises ``Missing`` when there is no such chain."""
        listed, names = self._nft.list(f"chain {chain}"), self._names()
        text = docker.accepts_to_add(chain, listed, self._table, names)
        return text + docker.accepts_to_delete(chain, listed, self._table, (docker.OURS, *names))

    def _withdraw_accepts(self) -> None:
        self._accepted = False
        for chain in docker.CHAINS:
            with suppress(Missing):
                text = docker.accepts_to_delete(chain, self._nft.list(f"chain {chain}"), self._table)
                if text:
                    self._nft.apply(text)


def _own_names(elements: Elements) -> list[str]:
    return [name for link in elements.get("links", ()) if not (name := link.strip('"')).startswith("pn-")]


def static_rules(nft: Nft, table: str) -> list[str]:
    """Write the tables without elements and return how their rules are listed: in a namespace made for it."""
    nft.apply(tables_text(table, []))
    return [nft.rules(f"table {family} {table}") for family in FAMILIES]
