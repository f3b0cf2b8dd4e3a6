"""The firewall as pynet wants it, and its copy in the kernel.

What is wanted lives in memory (loaded from the store at start): each owner, a network's or an endpoint's link or the
ports of an endpoint, has its elements. So tables that somebody flushed can be written again whole. They exist while
somebody owns something, and a little longer.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from netlink.errors import KernelError, Missing
from netlink.setelem import ElementChange
from plugin.firewall import docker
from plugin.firewall.elements import docker_elements
from plugin.firewall.ruleset import FAMILIES, Elements, changes, remove_text, tables_text
from plugin.ports import Nft

log = structlog.get_logger()

LINGER = 2.5  # seconds that the tables outlive their last owner; another network often follows


class Firewall:
    """Two tables, called after this pynet. Every verb may raise ``KernelError`` and then has changed nothing."""

    def __init__(self, nft: Nft, table: str, linger: float = LINGER) -> None:
        self._nft = nft
        self._table = table
        self._linger = linger
        self._lock = threading.Lock()  # guards what is wanted, and the order of transactions on the tables
        self._wanted: dict[str, Elements] = {}  # by owner
        self._docker: frozenset[str] = frozenset()
        self._rules: list[str] | None = None  # the static rules as the kernel listed them; None: no tables, or unknown
        self._written = False  # whether the tables are in the kernel, as far as is known
        self._accepted = False  # whether the accepts beside Docker's rules were seen there
        self._idle_since = 0.0  # when the last owner went, by the monotonic clock

    def load(self, wanted: Mapping[str, Elements]) -> None:
        """Take ``wanted`` as everything that is wanted, by owner, and write the tables anew."""
        with self._lock:
            self._wanted = dict(wanted)
            self._write()

    def put(self, owner: str, elements: Elements) -> None:
        """Let ``owner`` have these elements, and none that it had before."""
        with self._lock:
            before = self._wanted.get(owner)
            self._wanted[owner] = elements
            try:
                self._change(changes(before or {}, elements))
                if not self._accepted or _own_names(elements):
                    self._accept()
            except KernelError:
                del self._wanted[owner]
                self._wanted |= {} if before is None else {owner: before}
                raise

    def forget(self, *owners: str) -> None:
        """Take away what ``owners`` have, those that have something, in one transaction."""
        with self._lock:
            known = {owner: self._wanted.pop(owner) for owner in owners if owner in self._wanted}
            if not known:
                return
            try:
                self._change([change for elements in known.values() for change in changes(elements, {})])
                if any(map(_own_names, known.values())):
                    self._accept()
            except KernelError:
                self._wanted |= known
                raise
            self._idle_since = time.monotonic()

    def set_docker_bridges(self, names: frozenset[str]) -> None:
        """Keep networks from reaching Docker's own bridges ``names`` (the other way is closed to all)."""
        with self._lock:
            if names == self._docker:
                return
            before, self._docker = self._docker, names
            try:
                if self._written:
                    self._change(changes(docker_elements(before), docker_elements(names)))
            except KernelError:
                self._docker = before
                raise

    def heal(self) -> None:
        """Put back what another program removed, tables or accepts; without an owner remove the tables.

        They go here, a while after their last owner, because the kernel takes longer for tables with their hooks than
        for everything else that creating a network needs.
        """
        with self._lock:
            if self._wanted:
                if self._listed() != self._rules:
                    log.warning("nftables tables were changed by another program, written anew", table=self._table)
                    self._write()
                self._accept()
            elif self._written and time.monotonic() - self._idle_since >= self._linger:
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
            self._written = True
            self._rules = self._listed()
            self._accept()
        else:
            self._nft.apply(remove_text(self._table))
            self._withdraw_accepts()
            self._written, self._rules = False, None

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
                listed = self._nft.list(f"chain {chain}")
            except Missing:
                continue  # no such firewall on this host, so nobody drops there
            names = self._names()
            text = docker.accepts_to_add(chain, listed, names)
            text += docker.accepts_to_delete(chain, listed, (docker.OURS, *names))
            if text:
                self._nft.apply(text)
                log.info("accept rules changed beside another firewall's", chain=str(chain))
        self._accepted = True

    def _withdraw_accepts(self) -> None:
        self._accepted = False
        for chain in docker.CHAINS:
            with suppress(Missing):
                text = docker.accepts_to_delete(chain, self._nft.list(f"chain {chain}"))
                if text:
                    self._nft.apply(text)


def _own_names(elements: Elements) -> list[str]:
    return [name for link in elements.get("links", ()) if not (name := link.strip('"')).startswith("pn-")]
