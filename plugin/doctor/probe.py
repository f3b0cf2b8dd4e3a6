"""Gathers the facts of a host. Whatever cannot be found out leaves its fact as a sound host has it."""

import ctypes
import os
import shutil
import socket
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlink.errors import KernelError
from netlink.hostnet import HostNetworks
from netlink.kernel import Kernel, VethPair
from netlink.legacy import drops_forwarded
from netlink.nftables import LIBRARY, Nftables, open_runner
from netlink.scratch import scratch_namespace
from plugin.advertised import deaf_links
from plugin.doctor.checks import BRIDGED, FORWARDING
from plugin.doctor.facts import Engine, Facts, Listener, State
from plugin.errors import PynetError
from plugin.firewall.docker import CHAINS
from plugin.firewall.ruleset import tables_text
from plugin.host_settings import needed
from plugin.ipam.supernets import Supernet
from plugin.messages import Subnet
from plugin.model import Network, Pool
from plugin.store.schema import MIGRATIONS
from plugin.store.sqlite import read_records

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_BIND_SERVICE": 10}  # linux/capability.h
PATIENCE = 2.0  # seconds for a socket to answer
PROBE = "pynet-probe"
RULES = {
    "nftables for IP (nf_tables)": "",
    "nftables for bridges (nf_tables_bridge)": "add table bridge t\nadd chain bridge t c "
    "{ type filter hook prerouting priority 0; }\nadd rule bridge t c ether type arp accept\n",
    "connection tracking in rules (nft_ct)": "add rule inet t f ct state established,related accept\n",
    "look-ups of address types (nft_fib_inet)": "add rule inet t f fib daddr type local accept\n",
    "address translation (nft_chain_nat)": "add chain inet t n { type nat hook prerouting priority -100; }\n"
    "add rule inet t n tcp dport 1 dnat ip to 192.0.2.1:1\n",
}
TABLE = "add table inet t\nadd chain inet t f { type filter hook forward priority 0; }\n"


@dataclass(frozen=True, slots=True)
class Places:
    """Where pynet is, or would be, by its settings."""

    socket: Path
    database: Path
    supernets: tuple[Supernet, ...]


def gather(places: Places, engine: Engine) -> Facts:
    """Look at the host, without changing it: kernel features are tried in a network namespace of their own."""
    networks, pools = _records(places.database, Network), _records(places.database, Pool)
    missing = _missing_capabilities()
    features, untried = _features()
    chains = [] if missing else _listed(Nftables(open_runner()), "chain")
    bases = [chain for chain in chains if chain.get("hook") == "forward" and chain.get("policy") == "drop"]
    return Facts(
        features=features,
        untried=untried,
        missing_capabilities=missing,
        libnftables=_loads(LIBRARY),
        nft_program=shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None,
        settings={path: _setting(path) for path in (*FORWARDING.values(), *BRIDGED.values())},
        legacy_drop=frozenset(version for version in (4, 6) if drops_forwarded(version, "pn-+")),
        dropping=tuple(sorted(filter(None, map(_unknown, bases)))),
        firewalls=_firewalls(chains),
        listener=find_listener(places.socket),
        socket=str(places.socket),
        state=_state(places.database, networks),
        engine=engine,
        supernets=places.supernets,
        host_networks=_host_networks(),
        own_pools=frozenset(subnet.pool for network in networks for subnet in network.subnets)
        | frozenset(pool.subnet for pool in pools),
        ports=_ports(),
        deaf=_deaf(),
    )


def find_listener(path: Path) -> Listener:
    """Say what is at ``path``."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return Listener.NO_SOCKET
    except OSError:
        return Listener.NOTHING
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return Listener.DEAD
        except OSError:
            return Listener.ANSWERS
    return Listener.ANSWERS


def _features() -> tuple[dict[str, str], str]:
    """Try each feature; return why it does not work, "" where it does, and why nothing could be tried."""
    try:
        with scratch_namespace():
            return _try_features(), ""
    except KernelError as error:
        return {}, str(error)


def _try_features() -> dict[str, str]:
    kernel, nft = Kernel(), Nftables(open_runner())
    pair = VethPair("pynet-probe0", "pynet-probe1", "02:00:00:00:00:01", PROBE, 1500)
    found = {
        "bridges (bridge)": _why(lambda: kernel.add_bridge(PROBE, "02:00:00:00:00:02", 1500)),
        "veth pairs (veth)": _why(lambda: kernel.add_veth(pair)),
    }
    for feature, rules in RULES.items():
        found[feature] = _why(lambda rules=rules: nft.apply(f"flush ruleset\n{TABLE}{rules}"))  # type: ignore[misc]
    if not any(found.values()):
        found["room for pynet's own rules (nf_tables)"] = _why(lambda: nft.apply(tables_text(PROBE, [])))
    kernel.close()
    return found


def _why(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (KernelError, OSError) as error:
        return str(error)
    return ""


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


def _listed(nft: Nftables, kind: str) -> list[Mapping[str, Any]]:
    try:
        return [item[kind] for item in nft.list(f"{kind}s") if kind in item]
    except (KernelError, OSError):
        return []


def _unknown(chain: Mapping[str, Any]) -> str:
    """Name a base chain that is neither pynet's nor of a firewall that pynet lives beside, else ""."""
    name = f"{chain['family']} {chain['table']} {chain['name']}"
    known = {str(known) for known in CHAINS}
    return "" if name in known or chain["table"].startswith(("pynet", "docker")) else name


def _firewalls(chains: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    found = set()
    for chain in chains:
        if chain["table"] == "firewalld":
            found.add("firewalld")
        if chain["name"].startswith("ufw-"):
            found.add("ufw")
    return frozenset(found)


def _records(database: Path, kind: type[Any]) -> list[Any]:
    try:
        return list(read_records(database, kind)) if database.exists() else []
    except (PynetError, OSError):
        return []  # the check of the state says why


def _state(database: Path, networks: Iterable[Network]) -> State:
    folder = database.parent
    routed = {version for network in networks for version, path in FORWARDING.items() if path in needed(network)}
    try:
        mode = folder.stat().st_mode
        free = shutil.disk_usage(folder).free
    except FileNotFoundError:
        return State(str(folder))  # pynet makes it
    except OSError as error:
        return State(str(folder), problem=f"look at state folder '{folder}': {(error.strerror or str(error)).lower()}")
    return State(
        folder=str(folder),
        problem=_problem(database),
        open_to_others=bool(mode & 0o077),
        free=free,
        routed=frozenset(routed),
    )


def _problem(database: Path) -> str:
    """Return why the store cannot be used, "" when it can."""
    if not database.exists():
        return ""
    try:
        read_records(database, Network)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except (PynetError, sqlite3.Error, OSError) as error:
        return str(error)
    if version > len(MIGRATIONS):
        return f"'{database}' was written by a newer pynet (version {version}, this one reads up to {len(MIGRATIONS)})"
    return ""


def _host_networks() -> tuple[Subnet, ...]:
    try:
        return tuple(HostNetworks().in_use())
    except KernelError:
        return ()


def _deaf() -> tuple[str, ...]:
    try:
        return tuple(deaf_links(Kernel()))
    except KernelError:
        return ()


def _ports() -> dict[str, int]:
    try:
        links = Kernel().links()
    except KernelError:
        return {}
    count = Counter(link.master for link in links if link.master)
    return {link.name: count[link.index] for link in links if link.kind == "bridge"}
