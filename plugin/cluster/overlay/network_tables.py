"""The kernel tables of one overlay network, and the hosts from which the firewall accepts its frames."""

import threading
from collections.abc import Collection, Iterable, Mapping

import structlog

from netlink.vxlan import EVERYBODY, Entry, Remote, VxlanLink
from plugin.cluster.overlay.forwarding import LocalView, doubt_about_host, local_view, wanted_tables
from plugin.cluster.overlay.records import Member, Peer
from plugin.firewall.elements import member_elements
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Tunnels
from plugin.model.elements import Elements
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Address
from plugin.store.base import Versioned

log = structlog.get_logger()


class NetworkTables:
    """Writes both; an entry that is refused, here or by the kernel, is left out and logged once."""

    def __init__(self, network: Network, link: VxlanLink, host: str, tunnels: Tunnels, firewall: Firewall) -> None:
        self.name = network.overlay.network if network.overlay else ""
        self.network_id = network.id
        self.link = link
        self._view = local_view(network, host, link.local)
        self._tunnels = tunnels
        self._firewall = firewall
        self._guard = threading.Lock()  # guards everything below, and the order of writes
        self._written: set[Entry] | None = None  # the entries in the kernel; None when they are not known
        self._stubborn: Mapping[Entry, str] = {}  # entries that the kernel refuses, and why; tried again at each check
        self._said: Mapping[str, str] = {}
        self._ended = False

    def write(
        self,
        peers: Collection[Versioned[Peer]],
        members: Collection[Versioned[Member]],
        endpoints: Iterable[Endpoint],
        *,
        check: bool,
    ) -> None:
        """Write the entries that the records ask for; with ``check``, read the kernel's tables before.

        Raises:
            KernelError, Busy: the tables could not be written; single entries that are refused raise nothing.
        """
        with self._guard:
            if self._ended:
                return
            wanted = wanted_tables(peers, members, self._view.with_endpoints(endpoints))
            self._firewall.put(self.link.name, self._elements(wanted.hosts))  # first, as the hosts may send at once
            self._apply(set(wanted.entries), check=check)
            self._log_refused(wanted.refused)

    def end(self) -> None:
        """Write no more, and accept frames from no host; raises ``KernelError`` and ``Busy``."""
        with self._guard:
            self._ended = True
            self._firewall.forget(self.link.name)

    def _elements(self, hosts: Iterable[Address]) -> Elements:
        return member_elements(self.link.port, self.link.vni, sorted(hosts, key=int))

    def _apply(self, wanted: set[Entry], *, check: bool) -> None:
        bridge, link = self.link.master, self.link.name
        before, self._written = self._written, None
        if check or before is None:
            there = self._tunnels.entries(bridge, link)
            self._warn_of_drift(before, there)
            before, self._stubborn = there, {}
        coming, going = wanted - before - set(self._stubborn), before - wanted
        refused = self._tunnels.change(bridge, link, coming, going) if coming or going else {}
        self._stubborn = {entry: why for entry, why in self._stubborn.items() if entry in wanted}
        self._stubborn |= {entry: str(error) for entry, error in refused.items()}
        self._written = (before - going) | coming
        self._written = (self._written - (coming & set(refused))) | (going & set(refused))

    def _warn_of_drift(self, written: set[Entry] | None, there: set[Entry]) -> None:
        if written is not None and written != there:
            example = str(next(iter(written ^ there)))
            log.warning("tables were changed by others, written again", network=self.name, entry=example)

    def _log_refused(self, refused: Mapping[str, str]) -> None:
        """Log entries that are refused now and were not the last time."""
        refused = {**refused, **{f"entry {entry}": why for entry, why in self._stubborn.items()}}
        for what, why in refused.items():
            if self._said.get(what) != why:
                log.warning("left out of the tables of a network", network=self.name, what=what, reason=why)
        self._said = refused


def elements_left(network: Network, link: VxlanLink, host: str, entries: Iterable[Entry]) -> Elements:
    """Return the elements for the hosts in tables that an earlier run left: those that get frames to all."""
    view: LocalView = local_view(network, host, link.local)
    hosts = {entry.host for entry in entries if isinstance(entry, Remote) and entry.mac == EVERYBODY}
    fit = sorted((address for address in hosts if not doubt_about_host(address, view)), key=int)
    return member_elements(link.port, link.vni, fit)
