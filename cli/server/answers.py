"""Answers pynet's own command: in the process that serves, or in the command itself while none does."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import getpid
from pathlib import Path
from typing import Any, NoReturn, Protocol

from cli.server.change_answers import ChangeAnswers
from cli.server.cluster_answers import ClusterAnswers
from cli.server.policies import policy_reports
from cli.server.reports import Look, made_addresses, network_report, nothing_made, reserved_by_subnet
from cli.settings import Settings, in_force
from netlink.values import dataclass
from plugin.cluster.secrecy.upkeep import SecrecyUpkeep
from plugin.dhcp.record import DhcpLease
from plugin.errors import PynetError
from plugin.ipam.fill import fills
from plugin.ipam.sticky import NamedAddress
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.policy.judge import FarGroups, nobody_far
from plugin.protocol.api import ChangeService
from plugin.protocol.drop_messages import DropReport
from plugin.protocol.messages import Countdown, LeftOut, Repair, Status
from plugin.protocol.own_messages import (
    About,
    Fill,
    LogPart,
    NameReport,
    NetworkReport,
    PublishedPort,
    ResolverReport,
    StateCopy,
)
from plugin.protocol.path_messages import Answer, PathQuestion
from plugin.protocol.policy_messages import PolicyReports
from plugin.protocol.traffic_messages import Traffic
from plugin.publish.bindings import reported
from plugin.store.base import R, Store
from plugin.store.sqlite.backup import copy_state

PACKAGE = "pynet"
NO_RESOLVER = ResolverReport(0, (), 0, "", (), {}, 0)


class Repairing(Protocol):
    """Brings the kernel in line with the records (``plugin.reconcile.reconciler.Reconciler``)."""

    def reconcile(self) -> list[Repair]:
        """See ``plugin.protocol.api.Service``."""

    def status(self) -> Status:
        """See ``plugin.protocol.api.Service``."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Functions that answer from other things than records.

    ``look`` returns the repairs that are due, ``log`` the lines of the log, ``traffic`` the kernel's counters,
    ``overview`` the document of a page, ``drops`` the packets that were dropped. ``far_groups`` returns the groups of
    containers of other hosts by address, in an overlay network as hosts know it, ``made`` the addresses of links
    inside of containers by MAC, and ``names`` the names by which containers find each other; ``resolver`` tells what
    the resolver does. ``takeovers`` returns the dead hosts that this one takes over after some time, and ``secrets``
    keeps the tunnels of encrypted networks. ``left_out`` returns what is missing in the tables of networks that hosts
    share.
    """

    look: Callable[[], Sequence[Repair]]
    log: Callable[[str], LogPart]
    traffic: Callable[[], Traffic]
    overview: Callable[[str], Mapping[str, Any]]
    drops: Callable[[], Sequence[DropReport]]
    far_groups: FarGroups = nobody_far
    made: Look = nothing_made
    names: Callable[[], Sequence[NameReport]] = tuple
    resolver: Callable[[], ResolverReport] = lambda: NO_RESOLVER
    takeovers: Callable[[], Sequence[Countdown]] = tuple
    secrets: SecrecyUpkeep | None = None
    left_out: Callable[[], Sequence[LeftOut]] = tuple


class Answers(ChangeAnswers, ClusterAnswers):
    """See ``plugin.protocol.api.Service``."""

    def __init__(
        self, settings: Settings, store: Store, repairing: Repairing, sources: Sources, changing: ChangeService
    ) -> None:
        self._settings = settings
        self._store = store
        self._repairing = repairing
        self._sources = sources
        ChangeAnswers.__init__(self, changing)
        ClusterAnswers.__init__(self, settings, sources.takeovers, sources.secrets)
        name, folder, managed = settings.name, str(settings.state_dir), settings.host_socket is not None
        # Made here, so that the answer waits for nothing later, not even for a disk.
        self._about = About(own_version(), getpid(), time.time(), name, folder, managed, in_force(settings))

    def about(self) -> About:
        return self._about

    def reconcile(self) -> list[Repair]:
        return self._repairing.reconcile()

    def look(self) -> Sequence[Repair]:
        return self._sources.look()

    def status(self) -> Status:
        takeovers, left_out = tuple(self._sources.takeovers()), tuple(self._sources.left_out())
        return replace(self._repairing.status(), takeovers=takeovers, left_out=left_out)

    def log(self, cursor: str) -> LogPart:
        return self._sources.log(cursor)

    def traffic(self) -> Traffic:
        return self._sources.traffic()

    def overview(self, cursor: str) -> Mapping[str, Any]:
        return self._sources.overview(cursor)

    def drops(self) -> Sequence[DropReport]:
        return self._sources.drops()

    def names(self) -> Sequence[NameReport]:
        return self._sources.names()

    def resolver(self) -> ResolverReport:
        return self._sources.resolver()

    def ports(self) -> list[PublishedPort]:
        ends = self._records(Endpoint)
        found = [port for end in ends for port in reported(end, end.published)]
        return found + [port for end in ends for port in reported(end, end.unpublished, published=False)]

    def networks(self) -> list[NetworkReport]:
        ends: dict[str, list[Endpoint]] = defaultdict(list)
        networks, endpoints = self._records(Network), self._records(Endpoint)
        for endpoint in endpoints:
            ends[endpoint.network_id].append(endpoint)
        reserved = reserved_by_subnet(self._records(NamedAddress))
        leases = {lease.key: lease for lease in self._records(DhcpLease)}
        made = made_addresses(networks, endpoints, self._sources.made)
        return [network_report(network, ends[network.id], reserved, leases, made) for network in networks]

    def pools(self) -> Sequence[Fill]:
        networks, endpoints = self._records(Network), self._records(Endpoint)
        return fills(networks, endpoints, self._records(Pool), self._records(Lease))

    def _records(self, kind: type[R]) -> list[R]:
        return [item.record for item in self._store.list(kind)]

    def policies(self) -> PolicyReports:
        return policy_reports(self._store)

    def path(self, question: PathQuestion) -> Answer:
        from cli.server.paths import answer_path  # most answers do not need other firewalls

        return answer_path(self._store, question, self._sources.far_groups)

    def backup(self) -> StateCopy:
        return copy_state(self._settings.database)


class NobodyServes:
    """Takes the place of the process that serves while there is none: the kernel is compared with the files."""

    def __init__(self, settings: Settings, nobody: PynetError) -> None:
        self._settings = settings
        self._nobody = nobody

    def reconcile(self) -> NoReturn:
        """Refuse: only the process that serves may repair."""
        raise self._nobody

    def look(self) -> Sequence[Repair]:
        """Compare the files with the kernel."""
        from cli.server.outside import look  # most answers from files do not need the kernel

        return look(self._settings)

    def status(self) -> NoReturn:
        """Refuse: only the process that serves counts."""
        raise self._nobody

    def drops(self) -> NoReturn:
        """Refuse: only the process that serves adds up."""
        raise self._nobody

    def names(self) -> NoReturn:
        """Refuse: only the process that serves hears names."""
        raise self._nobody

    def resolver(self) -> NoReturn:
        """Refuse: only the process that serves answers questions."""
        raise self._nobody

    def log(self, cursor: str) -> NoReturn:
        """Refuse: only the process that serves keeps lines."""
        del cursor
        raise self._nobody

    def overview(self, cursor: str) -> NoReturn:
        """Refuse: a page shows the process that serves."""
        del cursor
        raise self._nobody


def own_version() -> str:
    """Return the version of the installed package: of its folder of metadata, as ``importlib.metadata`` takes 1 MB."""
    folders = (folder for place in sys.path for folder in Path(place).glob(f"{PACKAGE}-*.dist-info"))
    return next((folder.stem.removeprefix(f"{PACKAGE}-") for folder in folders), "unknown")
