"""What a network namespace and a state folder hold, as comparable lines; the same after as before means: no trace."""

import difflib
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from plugin.model import host_link_name

OUTER_SETTINGS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
LINK_SETTINGS = ("ipv4/conf/{}/route_localnet", "ipv6/conf/{}/accept_ra", "ipv6/conf/{}/accept_dad")
RANDOM_MAC = host_link_name("")  # the kernel chooses the host end's
NUMBERS = "turn"  # records that count changes, so that they never are as before
SHOWN = 40  # lines of a difference


def command(*argv: str) -> str:
    """Run a command and return what it printed, "" when it failed."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout


def look(state: Path) -> list[str]:
    """Return links, addresses, routes, rules, settings, listeners of this namespace, and the records of ``state``."""
    names: list[str] = []
    lines: list[str] = []
    for link in json.loads(command("ip", "-j", "-d", "address")):
        names.append(str(link["ifname"]))
        lines += _link(link)
    for family in ("-4", "-6"):
        lines += [f"route {line.strip()}" for line in _plain(command("ip", family, "route", "show", "table", "all"))]
    return [*sorted(lines), *sorted(_firewall()), *_settings(sorted(names)), *_listeners(), *records(state)]


def difference(before: list[str], after: list[str]) -> str:
    """Return what went (-) and what came (+)."""
    changes = difflib.unified_diff(before, after, lineterm="", n=0)
    return "\n".join([line for line in changes if not line.startswith(("---", "+++", "@@"))][:SHOWN])


def records(state: Path) -> list[str]:
    """Return what stands in the store."""
    database = state / "pynet.db"
    if not database.exists():
        return []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        rows = connection.execute("SELECT kind, key, body FROM record ORDER BY kind, key").fetchall()
    finally:
        connection.close()
    return [f"record {kind} {key} {body}" for kind, key, body in rows if kind != NUMBERS]


def _link(link: dict[str, object]) -> Iterator[str]:
    name = str(link["ifname"])
    mac = "" if name.startswith(RANDOM_MAC) else link.get("address", "")
    kind = link.get("linkinfo")
    kind = kind.get("info_kind") if isinstance(kind, dict) else ""
    up = "UP" in str(link["flags"])
    yield f"link {name} {kind} mtu {link['mtu']} {mac} master {link.get('master')} {link.get('ifalias')} up {up}"
    addresses = link["addr_info"]
    for address in addresses if isinstance(addresses, list) else []:
        if address["scope"] != "link":
            yield f"address {name} {address['local']}/{address['prefixlen']}"


def _plain(text: str) -> list[str]:
    lines = (line.replace(" linkdown", "") for line in text.splitlines())
    return [line for line in lines if "fe80::" not in line and "ff00::" not in line]


def _firewall() -> Iterator[str]:
    """Yield the rules; elements one by one, as their order is the kernel's affair."""
    where = ""
    for line in re.sub(r",\s*\n\s*", ", ", command("nft", "--stateless", "list", "ruleset")).splitlines():
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
