"""The kernel tables of one overlay network, and the hosts from which the firewall accepts its frames."""

import threading
from collections.abc import Iterable, Mapping, Sequence

import structlog

from netlink.vxlan import EVERYBODY, Entry, Remote, VxlanLink
from plugin.cluster.overlay.forwarding import LocalView, doubt_about_host, local_view
from plugin.cluster.overlay.network_records import Difference, NetworkRecords
from plugin.firewall.elements import member_elements
from plugin.firewall.firewall import Firewall
from plugin.firewall.policy_elements import far_group_elements
from plugin.interfaces import Tunnels
from plugin.model.elements import Elements
from plugin.model.records import Network
from plugin.protocol.messages import Address

log = structlog.get_logger()


class NetworkTables:
    """Writes both; an entry that is refused, here or by the kernel, is left out and logged once."""

    def __init__(
        self, name: str, link: VxlanLink, records: NetworkRecords, tunnels: Tunnels, firewall: Firewall
    ) -> None:
        self.name = name
        self.link = link
        self.records = records
        self._tunnels = tunnels
        self._firewall = firewall
        self._guard = threading.Lock()  # guards everything below, and the order of writes
        self._known = False  # whether the kernel's tables are as this object wrote them
        self._accepted: frozenset[Address] | None = None  # hosts in the firewall
        self._groups: Mapping[Address, Sequence[str]] = {}  # of endpoints of other hosts, in the firewall
        self._stubborn: dict[Entry, str] = {}  # entries that the kernel refused to add or delete, and why
        self._said: Mapping[str, str] = {}
        self._ended = False

    def write(self, *, check: bool) -> None:
        """Write the entries that the records ask for; with ``check``, read the kernel's tables before.

        Nothing is written before the stores were listed: the present tables may be right.

        Raises:
            KernelError, Busy: the tables could not be written; single entries that are refused raise nothing.
        """
        with self._guard:
            if self._ended or not self.records.loaded:
                return
            known, self._known = self._known, False  # should it fail
            new = self.records.difference(everything=check or not known)
            if check or new.hosts != self._accepted or new.groups != self._groups:
                self._accepted = None
                self._firewall.put(self.link.name, self._elements(new))  # first, as the hosts may send at once
                self._accepted, self._groups = new.hosts, new.groups
            if new.wanted is None:
                self._change(new.coming, new.going)
            else:
                before = (new.wanted - new.coming) | new.going if known else None
                self._change(*self._compare(new.wanted, before))
            self._known = True
            self._log_refused(new.refused)

    def retire(self) -> None:
        """Write no more: another object takes over the records and the tables."""
        with self._guard:
            self._ended = True

    def end(self) -> None:
        """Write no more, and accept frames from no host; raises ``KernelError`` and ``Busy``."""
        with self._guard:
            self._ended = True
            self._firewall.forget(self.link.name)

    def _elements(self, new: Difference) -> Elements:
        members = member_elements(self.link.port, self.link.vni, sorted(new.hosts, key=int))
        return (*members, *far_group_elements(self.link.name, new.groups))

    def _compare(self, wanted: set[Entry], before: set[Entry] | None) -> tuple[set[Entry], set[Entry]]:
        """Return the entries that the kernel lacks, and those that it should not have; warn if it lost some."""
        there = self._tunnels.entries(self.link.master, self.link.name)
        if before is not None and (drift := there ^ before ^ set(self._stubborn)):
            log.warning("tables were changed by others, written again", network=self.name, entry=str(next(iter(drift))))
        self._stubborn = {}
        return wanted - there, there - wanted

    def _change(self, coming: set[Entry], going: set[Entry]) -> None:
        self._stubborn = {entry: why for entry, why in self._stubborn.items() if entry not in coming | going}
        if coming or going:
            refused = self._tunnels.change(self.link.master, self.link.name, coming, going)
            self._stubborn |= {entry: str(error) for entry, error in refused.items()}

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
