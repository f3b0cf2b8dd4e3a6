"""The contents of a network namespace and a state folder as lines; equal lines before and after mean no trace."""

import difflib
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from plugin.model.names import WIREGUARD, host_link_name, limiter_name, vxlan_name
from tests.rules import without_drops
from tests.torture.cluster import FILE
from tests.torture.dhcp_server import FILE as LEASES
from tests.torture.dhcp_server import given
from tests.torture.tunnels import is_own_record, tunnels, without_names

OUTER_SETTINGS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
LINK_SETTINGS = ("ipv4/conf/{}/route_localnet", "ipv6/conf/{}/accept_ra", "ipv6/conf/{}/accept_dad")
RANDOM_MAC = (host_link_name(""), limiter_name(""), vxlan_name(""))  # the kernel chooses these ends'
KEPT = {"turn", "host-identity", "cluster-host", "cluster-known-host"}  # records that stay, and count or are dated
MULTICAST = re.compile(r"lladdr (33:33|01:00:5e)")  # the kernel's own
TOKEN = re.compile(r"\b[0-9a-f]{8}\b")  # made up anew for each request to a cluster store
# Join writes no record: a pynet that is killed before the ports are published does not know the sandbox any more.
INDEX, NO_INDEX = re.compile(r'"index":\d+'), '"index":0'  # of a link that may have been made anew
SANDBOX = re.compile(r',"sandbox":"[^"]*"')
SHOWN = 40  # lines of a difference


def command(*argv: str) -> str:
    """Run a command and return what it printed, "" when it failed."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout


def look(state: Path) -> list[str]:
    """Return links, addresses, routes, rules, settings and listeners of this namespace, records and leases."""
    names: list[str] = []
    lines: list[str] = []
    links = json.loads(command("ip", "-j", "-d", "address"))
    for link in links:
        names.append(str(link["ifname"]))
        lines += _link(link)
    lines += tunnels(state, [link for link in links if _kind(link) == WIREGUARD])
    for family in ("-4", "-6"):
        lines += [f"route {line.strip()}" for line in _plain(command("ip", family, "route", "show", "table", "all"))]
    lines += _limits(names)
    leased = (f"given {client} {address}" for client, address in sorted(given(state.parent / LEASES).items()))
    rest = (*_settings(sorted(names)), *_listeners(), *_recorded(state), *leased)
    return [*sorted(map(without_names, lines)), *sorted(map(without_names, _firewall())), *map(without_names, rest)]


def difference(before: list[str], after: list[str]) -> str:
    """Return the lines that disappeared (-) and appeared (+)."""
    changes = difflib.unified_diff(before, after, lineterm="", n=0)
    return "\n".join([line for line in changes if not line.startswith(("---", "+++", "@@"))][:SHOWN])


def records(state: Path) -> list[str]:
    """Return the records of the store."""
    return _records(state / "pynet.db")


def _recorded(state: Path) -> list[str]:
    shared = [f"shared {line}" for line in _records(state.parent / FILE) if not is_own_record(line)]
    lines = records(state) + shared
    return [TOKEN.sub("TOKEN", line) if " cluster-" in line else line for line in lines]


def _records(database: Path) -> list[str]:
    if not database.exists():
        return []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        rows = connection.execute("SELECT kind, key, body FROM record ORDER BY kind, key").fetchall()
    finally:
        connection.close()
    return [
        f"record {kind} {key} {INDEX.sub(NO_INDEX, SANDBOX.sub('', body))}"
        for kind, key, body in rows
        if kind not in KEPT
    ]


def _link(link: dict[str, object]) -> Iterator[str]:
    name = str(link["ifname"])
    mac = "" if name.startswith(RANDOM_MAC) else link.get("address", "")
    kind, up = _kind(link), "UP" in str(link["flags"])
    if kind != WIREGUARD:
        yield f"link {name} {kind} mtu {link['mtu']} {mac} master {link.get('master')} {link.get('ifalias')} up {up}"
    if kind == "vxlan":
        yield from _tables(name, str(link.get("master", "")))
    addresses = link["addr_info"]
    for address in addresses if isinstance(addresses, list) else []:
        if address["scope"] != "link":
            yield f"address {name} {address['local']}/{address['prefixlen']}"


def _kind(link: dict[str, object]) -> object:
    kind = link.get("linkinfo")
    return kind.get("info_kind") if isinstance(kind, dict) else ""


def _tables(link: str, bridge: str) -> Iterator[str]:
    """Yield the entries that lead to other hosts; permanent entries are the links' own MACs."""
    forwarding = command("bridge", "fdb", "show", "dev", link).splitlines()
    yield from (f"forwarding {link} {line.strip()}" for line in forwarding if "permanent" not in line or "dst" in line)
    for family in ("-4", "-6"):
        for state in ("permanent", "noarp"):
            neighbours = command("ip", family, "neighbour", "show", "dev", bridge, "nud", state).splitlines()
            yield from (f"neighbour {bridge} {line.strip()}" for line in neighbours if not MULTICAST.search(line))


def _limits(links: list[str]) -> Iterator[str]:
    """Yield token buckets, without their handle, which a change may exchange, and redirections of frames."""
    queues = command("tc", "qdisc", "show").splitlines()
    yield from (re.sub(r"706[ef]:", "own", line.strip()) for line in queues if "noqueue" not in line)
    for link in links if len(queues) > len(links) else ():
        shown = command("tc", "filter", "show", "dev", link, "ingress")
        yield from (f"redirection {link} {line.strip()}" for line in shown.splitlines() if "mirred" in line)


def _plain(text: str) -> list[str]:
    lines = (line.replace(" linkdown", "") for line in text.splitlines())
    return [line for line in lines if "fe80::" not in line and "ff00::" not in line]


def _firewall() -> Iterator[str]:
    """Yield the rules; elements one by one, as their order is the kernel's affair."""
    where = ""
    listed = without_drops(command("nft", "--stateless", "list", "ruleset"))
    for line in re.sub(r",\s*\n\s*", ", ", listed).splitlines():
        if match := re.match(r"\s*(?:table|set|map|chain) (.*) {", line):
            where = match[1]
        if match := re.match(r"\s*elements = {(.*)}", line):
            yield from (f"nft {where}: {element.strip()}" for element in match[1].split(","))
        elif line.strip() not in {"", "}"}:
            yield f"nft {where}: {line.strip()}"


def _settings(links: list[str]) -> Iterator[str]:
    for path in OUTER_SETTINGS:
        yield f"setting {path} {(Path('/proc/sys') / path).read_text().strip()}"
    for name in links:
        for pattern in LINK_SETTINGS if name.startswith(("pn-", "br")) else ():
            file = Path("/proc/sys/net") / pattern.format(name)
            with suppress(OSError):  # the link went meanwhile
                yield f"setting {file} {file.read_text().strip()}"


def _listeners() -> list[str]:
    words = (line.split() for line in command("ss", "-Hlntu").splitlines())
    return sorted(f"listening {line[0]} {line[4]}" for line in words)
