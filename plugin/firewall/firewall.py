"""The firewall as pynet wants it, and its copy in the kernel.

What is wanted lives in memory (loaded from the store at start), so that a table which somebody flushed can be written
again whole. The table exists while there is a network, and a little longer.
"""

import threading
import time
from collections.abc import Iterable

import structlog

from netlink.errors import KernelError, Missing
from plugin.firewall import docker
from plugin.firewall.ruleset import (
    Elements,
    add_text,
    delete_text,
    docker_elements,
    network_elements,
    table_text,
)
from plugin.model import Network
from plugin.ports import Nft

log = structlog.get_logger()

LINGER = 2.5  # seconds that the table outlives its last network; another network often follows


class Firewall:
    """One table, called after this pynet. Every verb may raise ``KernelError`` and then has changed nothing."""

    def __init__(self, nft: Nft, table: str, linger: float = LINGER) -> None:
        self._nft = nft
        self._table = table
        self._linger = linger
        self._lock = threading.Lock()  # guards what is wanted, and the order of transactions on the table
        self._networks: dict[str, Network] = {}  # by link
        self._docker: frozenset[str] = frozenset()
        self._written = False  # whether the table is in the kernel, as far as is known
        self._accepted = False  # whether the accepts beside Docker's rules were seen there
        self._idle_since = 0.0  # when the last network went, by the monotonic clock

    def load(self, networks: Iterable[Network]) -> None:
        """Take ``networks`` as everything that is wanted, and write the table anew."""
        with self._lock:
            self._networks = {network.link: network for network in networks}
            self._write()

    def open_network(self, network: Network) -> None:
        """Let a network work: isolation, and masquerading of what leaves it."""
        with self._lock:
            self._networks[network.link] = network
            try:
                self._change(add_text(self._table, network_elements(network)))
                if not self._accepted:
                    self._accept()
            except KernelError:
                del self._networks[network.link]
                raise

    def close_networks(self, *links: str) -> None:
        """Forget the networks on ``links``, those that there are, in one transaction."""
        with self._lock:
            known = {link: self._networks.pop(link) for link in links if link in self._networks}
            if not known:
                return
            try:
                self._change("".join(delete_text(self._table, network_elements(item)) for item in known.values()))
            except KernelError:
                self._networks |= known
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
                    gone, new = docker_elements(before - names), docker_elements(names - before)
                    self._change(delete_text(self._table, gone) + add_text(self._table, new))
            except KernelError:
                self._docker = before
                raise

    def heal(self) -> None:
        """Put back the accepts that another program may have removed; without a network remove the table.

        The table goes here, a while after its last network, because the kernel takes longer for a table with its hooks
        than for everything else that creating a network needs.
        """
        with self._lock:
            if self._networks:
                self._accept()
            elif self._written and time.monotonic() - self._idle_since >= self._linger:
                self._write()

    def _change(self, text: str) -> None:
        """Apply a change; if the table is gone, write it whole, which includes the change."""
        try:
            self._nft.apply(text)
        except Missing:
            log.info("nftables table written", table=self._table)
            self._write()

    def _write(self) -> None:
        if self._networks:
            self._nft.apply(table_text(self._table, self._wanted()))
            self._written = True
            self._accept()
        else:
            self._nft.apply(f"table inet {self._table}\ndelete table inet {self._table}\n")
            self._withdraw_accepts()
            self._written = False

    def _wanted(self) -> list[Elements]:
        return [*map(network_elements, self._networks.values()), docker_elements(self._docker)]

    def _accept(self) -> None:
        for family in docker.FAMILIES:
            try:
                text = docker.accepts_to_add(family, self._nft.list(f"chain {family} filter FORWARD"))
            except Missing:
                continue  # no iptables on this host, so nobody drops there
            if text:
                self._nft.apply(text)
                log.info("accept rules added beside Docker's", family=family, chain="filter FORWARD")

        self._accepted = True

    def _withdraw_accepts(self) -> None:
        self._accepted = False
        for family in docker.FAMILIES:
            try:
                text = docker.accepts_to_delete(family, self._nft.list(f"chain {family} filter FORWARD"))
            except Missing:
                continue
            if text:
                self._nft.apply(text)
