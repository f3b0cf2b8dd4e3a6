"""The encrypted tunnels of this namespace as lines: links, keys and the host's own record have to agree.

Keys are made at random, and a change of them goes from one link to the other, so neither they nor the links are named.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netlink.wireguard import WireGuards
from plugin.cluster.secrecy.key_file import FILE as KEYS
from plugin.cluster.secrecy.ports import PORT
from plugin.cluster.secrecy.records import HostKeys
from plugin.model.names import CARRIER
from tests.torture.cluster import FILE, HOST

_LINK = re.compile(rf"\b{CARRIER}[0-9a-f]+\b")
_PORTS = re.compile(rf":(?:{PORT}|{PORT + 1})\b")


def without_names(line: str) -> str:
    """Return a line in which both links, and their UDP ports, have one name."""
    return _PORTS.sub(":carrier", _LINK.sub("carrier", line))


def is_own_record(line: str) -> bool:
    """Return whether a line is of the record of this host's keys, which ``tunnels`` describes."""
    return f" {HostKeys.kind} {HOST} " in line


def tunnels(state: Path, links: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each of ``links`` that is WireGuard's, and one for keys and record if there are any."""
    told, kept = _told(state.parent / FILE), _kept(state / KEYS)
    for link in links:
        state_ = WireGuards().state(str(link["ifname"]))
        wanted = told.get(state_.public) == state_.port
        up, peers = "UP" in link["flags"], sorted(f"{peer.endpoint}" for peer in state_.peers.values())
        yield f"tunnel mtu {link['mtu']} up {up} alias {bool(link.get('ifalias'))} told {wanted} peers {peers}"
    if told or kept:
        yield f"keys kept {kept} told {len(told)}"


def _told(database: Path) -> Mapping[str, int]:
    """Return the UDP ports by public key that this host told the others."""
    if not database.exists():
        return {}
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        ask = "SELECT body FROM record WHERE kind = ? AND key = ?"
        found = connection.execute(ask, (HostKeys.kind, HOST)).fetchone()
    finally:
        connection.close()
    return {key["public"]: key["port"] for key in json.loads(found[0])["keys"]} if found else {}


def _kept(file: Path) -> int:
    return len(json.loads(file.read_text())["keys"]) if file.exists() else 0
