"""Gathers the facts of a host.

A fact that cannot be found out stays as on a sound host; what only root can see is named in ``unseen``.
"""

import ctypes
import errno
import os
import shutil
import socket
import stat
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from netlink.errors import KernelError
from netlink.iptables_legacy import drops_forwarded, drops_received
from netlink.kernel import Kernel
from netlink.nftables import LIBRARY, Nftables, open_runner
from netlink.routes import HostNetworks, RouteLookup
from netlink.sysctl import FORWARDING
from plugin.doctor.detours import HostRoutes, detours, uplink
from plugin.doctor.facts import Detour, EngineFacts, Facts, Listener, LostAddress, ServiceFacts, State, Subject
from plugin.doctor.features import try_features, try_limits
from plugin.doctor.firewalls import BRIDGED
from plugin.doctor.folder import look_at_state
from plugin.doctor.host_access import doubled, unreached
from plugin.doctor.resolver import Inside, ask_inside, lost_addresses
from plugin.doctor.walls import walls
from plugin.errors import PynetError
from plugin.firewall.elements import resolver_versions
from plugin.host.router_advertisements import deaf_links
from plugin.ipam.fill import fills
from plugin.ipam.supernets import Supernet
from plugin.model.names import BRIDGE
from plugin.model.policy import policy_of
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.model.resolver_place import PORT
from plugin.options.rates import OFF
from plugin.policy.answers import ResolvedName
from plugin.store.sqlite.store import read_records

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_BIND_SERVICE": 10}  # linux/capability.h
PATIENCE = 2.0  # seconds for a socket to answer
UNITS = ("pynet.service", "pynet.socket")
RUNS = Path("/run/systemd/system")  # sd_booted(3)
SYSTEMCTL = 5.0  # seconds for one process
_KNOCKS = {errno.ECONNREFUSED: Listener.DEAD, errno.EACCES: Listener.HIDDEN}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Places:
    """The paths and supernets of pynet by its settings, whether it runs or not."""

    socket: Path
    database: Path
    supernets: tuple[Supernet, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """Answers that the caller gathered: of the engine, of the running pynet (or whether it hangs), and bad settings.

    ``container_of`` returns a container that runs, by the id of its network.
    """

    engine: EngineFacts
    serving: ServiceFacts = field(default_factory=ServiceFacts)
    hangs: bool = False
    bad_settings: tuple[tuple[str, str], ...] = ()
    container_of: Callable[[str], Inside | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class StoredRecords:
    """The records of the store."""

    networks: Sequence[Network] = ()
    endpoints: Sequence[Endpoint] = ()
    pools: Sequence[Pool] = ()
    leases: Sequence[Lease] = ()
    names: Sequence[ResolvedName] = ()

    def limited(self) -> tuple[str, ...]:
        """Return the networks that limit the rate of a container, or of all."""
        wanted = [(own.id, own.readable_settings.rate_in, own.readable_settings.rate_out) for own in self.networks]
        found = [(end.network_id, end.readable_settings) for end in self.endpoints]
        every = [*wanted, *((network, own.rate_in, own.rate_out) for network, own in found)]
        return tuple(dict.fromkeys(network for network, *rates in every if {*rates} - {OFF, None}))

    def asked(self) -> frozenset[int]:
        """Return the IP versions by which containers ask pynet's resolver."""
        found: list[int] = []
        for network in self.networks:
            with suppress(PynetError):
                found += resolver_versions(network)
        return frozenset(found)

    def lost(self) -> tuple[LostAddress, ...]:
        """Return the containers whose addresses other hosts have."""
        return tuple(
            LostAddress(end.network_id, end.id, tuple(own.ip for own in (end.ipv4, end.ipv6) if own), end.taken)
            for end in self.endpoints
            if end.taken
        )

    def unresolved(self) -> tuple[str, ...]:
        """Return the names of hosts in policies of containers that have no known address."""
        known = {each.name for each in self.names if each.addresses}
        networks = {network.id: network for network in self.networks}
        wanted: list[str] = []
        for end in self.endpoints:
            with suppress(PynetError, KeyError):
                allowed = policy_of(networks[end.network_id], end).allow_out
                wanted += allowed.host_names if allowed else ()
        return tuple(name for name in dict.fromkeys(wanted) if name not in known)


def gather(places: Places, told: Told, *, root: bool | None = None) -> Facts:
    """Look at the host, without changing it: kernel features are tried in a network namespace of their own.

    ``root`` is whether this is root; for other users ``Facts.unseen`` names the subjects that were not looked at.
    """
    privileged = os.geteuid() == 0 if root is None else root
    records, missing = _records(places.database), _missing_capabilities()
    facts = Facts(
        engine=told.engine,
        serving=told.serving,
        bad_settings=told.bad_settings,
        missing_capabilities=missing if privileged else (),
        libnftables=_loads(LIBRARY),
        nft_program=shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None,
        settings={path: _setting(path) for path in (*FORWARDING.values(), *BRIDGED.values())},
        legacy_drop=frozenset(version for version in (4, 6) if drops_forwarded(version, f"{BRIDGE}+")),
        legacy_mute=frozenset(version for version in records.asked() if drops_received(version, PORT)),
        listener=Listener.HANGS if told.hangs else find_listener(places.socket),
        socket=str(places.socket),
        supernets=places.supernets,
        host_networks=tuple(_or(lambda: HostNetworks().in_use(), ())),
        own_pools=frozenset(subnet.pool for network in records.networks for subnet in network.subnets)
        | frozenset(pool.subnet for pool in records.pools),
        ports=_or(_ports, {}),
        deaf=tuple(_or(lambda: deaf_links(Kernel()), [])),
        fills=fills(records.networks, records.endpoints, records.pools, records.leases),
        detours=_or(lambda: _detours(records), ()),
        limited=records.limited(),
        unresolved=records.unresolved(),
        lost=records.lost(),
        unreached=_or(lambda: tuple(unreached(Kernel(), records.networks)), ()),
        doubled=_or(lambda: tuple(doubled(records.endpoints, records.networks, HostNetworks().has)), ()),
        asked=ask_inside(records.networks, told.container_of) if privileged else (),
        astray=_or(lambda: lost_addresses(Kernel(), told.serving.resolver), ()),
        systemd=has_systemd(),
        failed_units=failed_units() if has_systemd() else {},
    )
    return _with_what_needs_root(facts, places, records, privileged=privileged)


def find_listener(path: Path) -> Listener:
    """Return what listens at ``path``."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return Listener.NO_SOCKET
    except PermissionError:
        return Listener.HIDDEN
    except OSError:
        return Listener.NOTHING
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.settimeout(PATIENCE)
        return _KNOCKS.get(client.connect_ex(str(path)), Listener.ANSWERS)
    return Listener.ANSWERS


def _with_what_needs_root(facts: Facts, places: Places, records: StoredRecords, *, privileged: bool) -> Facts:
    unseen: list[Subject] = []
    features, untried = try_features()
    if untried and not privileged:
        unseen, untried = [Subject.KERNEL], ""
    try:
        state = look_at_state(places.database, records.networks)
    except PermissionError:
        state, unseen = State(str(places.database.parent)), [*unseen, Subject.STATE]
    listed = None if _missing_capabilities() else _ruleset()  # libnftables complains on standard error itself
    if listed is None and not facts.missing_capabilities:
        unseen.append(Subject.RULES)
    if facts.listener is Listener.HIDDEN:
        unseen.append(Subject.SERVING)
    if facts.engine.denied:
        unseen.append(Subject.ENGINE)
    with RouteLookup() as lookup:
        names = dict(socket.if_nameindex())
        uplinks = {version: uplink(version, names, lookup) for version in (4, 6)}
    return replace(
        facts,
        features=features,
        untried=untried,
        unlimited=try_limits(),
        state=state,
        walls=walls(listed or (), records.networks, records.endpoints, uplinks),
        unseen=tuple(unseen),
    )


def _records(database: Path) -> StoredRecords:
    """Read all records; if that fails, the check of the state says why."""
    try:
        if not database.exists():
            return StoredRecords()
        kinds: tuple[type[Any], ...] = (Network, Endpoint, Pool, Lease, ResolvedName)
        return StoredRecords(*(read_records(database, kind) for kind in kinds))
    except (PynetError, OSError):
        return StoredRecords()


def _detours(records: StoredRecords) -> tuple[Detour, ...]:
    kernel = Kernel()
    host = HostRoutes(
        links={link.name: link.index for link in kernel.links()},
        addresses=kernel.addresses(),
        routes=HostNetworks().in_use(),
        forwards={version for version, path in FORWARDING.items() if _setting(path) not in ("", "0")},
    )
    with RouteLookup() as lookup:
        return detours(records.networks, records.endpoints, host, lookup)


def _or(look: Callable[[], T], otherwise: T) -> T:
    """Return what ``look`` sees, or ``otherwise``, the value of a sound host, if it fails."""
    try:
        return look()
    except (KernelError, OSError):
        return otherwise


def _missing_capabilities() -> tuple[str, ...]:
    lines = Path("/proc/self/status").read_text().splitlines()
    have = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), -1)
    return tuple(name for name, bit in CAPABILITIES.items() if not have >> bit & 1)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _setting(path: str) -> str:
    try:
        return (Path("/proc/sys") / path).read_text().strip()
    except OSError:
        return ""


def _ruleset() -> list[dict[str, Any]] | None:
    try:
        with closing(Nftables(open_runner())) as nft:
            return nft.list("ruleset")
    except (KernelError, OSError):
        return None


def _ports() -> dict[str, int]:
    links = Kernel().links()
    count = Counter(link.master for link in links if link.master)
    return {link.name: count[link.index] for link in links if link.kind == "bridge"}


def has_systemd(runs: Path = RUNS) -> bool:
    """Return whether systemd is the service manager of this host."""
    return runs.is_dir()


def failed_units(program: str = "systemctl") -> dict[str, str]:
    """Return the units that failed, and their results; nothing if systemd cannot be asked."""
    asked = [program, "show", "--property=Id,ActiveState,Result,ExecMainStatus", *UNITS]
    try:
        shown = subprocess.run(asked, capture_output=True, text=True, timeout=SYSTEMCTL, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    units = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n")]
    return {unit["Id"]: _why(unit) for unit in units if unit.get("ActiveState") == "failed"}


def _why(unit: dict[str, str]) -> str:
    status = unit.get("ExecMainStatus", "0")
    return unit.get("Result", "") + (f", exit code {status}" if status not in ("", "0") else "")
