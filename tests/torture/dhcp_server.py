"""A DHCP server in a file, which survives kills of pynet as a server on the LAN does, and pynet's client of it."""

import json
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from plugin.dhcp.model import FOREVER, ClientIdentity, Lease4

FILE = "given"  # addresses by client, as JSON
POOL = [f"10.9.0.{last}" for last in range(2, 10)]
SERVER = IPv4Address("10.9.0.1")
MOVES, MOVED_TO = "moves", POOL[1]  # a client that is given the second address as soon as it has the first


class FileDhcp:
    """Leases of a small pool without an end; the server is asked for each, and told of each that is given back."""

    trouble = ""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()  # one thread at a time writes

    def acquire(
        self, link: str, identity: ClientIdentity, wish: IPv4Address | None, known: Lease4 | None, timeout: float
    ) -> Lease4:
        del link, wish, known, timeout
        with self._guard:
            leases = given(self._file)
            address = leases.get(_name(identity)) or next(each for each in POOL if each not in leases.values())
            self._write({**leases, _name(identity): address})
        return _lease(address)

    def keep(
        self,
        link: str,
        identity: ClientIdentity,
        lease: Lease4,
        changed: Callable[[Lease4 | None], None],
        hear: str = "",
    ) -> None:
        del link, hear
        with self._guard:
            leases = given(self._file)
            if identity.host_name == MOVES and leases[_name(identity)] == POOL[0]:
                self._write({**leases, _name(identity): MOVED_TO})
        if (now := _lease(given(self._file)[_name(identity)])) != lease:
            changed(now)

    def drop(self, link: str, identity: ClientIdentity, *, release: Lease4 | None) -> None:
        del link
        with self._guard:
            leases = given(self._file)
            if release is not None and leases.pop(_name(identity), ""):
                self._write(leases)

    def _write(self, leases: dict[str, str]) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(leases))
        part.rename(self._file)


def given(file: Path) -> dict[str, str]:
    """Return the addresses that the server has given away, by client."""
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def _lease(address: str) -> Lease4:
    return Lease4(IPv4Interface(f"{address}/24"), SERVER, 1000, FOREVER, FOREVER, FOREVER)


def _name(identity: ClientIdentity) -> str:
    return identity.client_id.hex() or identity.mac
