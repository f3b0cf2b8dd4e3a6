"""The private keys of this host: a file in the state folder, 0600, that no command reads and no backup takes along.

The whole folder is closed to others at start (``store.sqlite.lockfile``). A backup without keys loses nothing: a host
without the file makes new ones, and the others learn of them.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from netlink.errors import reason
from netlink.values import dataclass
from plugin.cluster.secrecy.records import KEY_LENGTH
from plugin.errors import Failed
from plugin.store.sqlite.files import sync_folder, write_private

log = structlog.get_logger()

FILE = "wireguard-keys"  # in the state folder


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A private key (base64), its generation, the number of the link that has it, and when it was made (epoch)."""

    generation: int
    slot: int
    made: int
    private: str = field(repr=False)

    @property
    def raw(self) -> bytes:
        """The key as the kernel takes it."""
        return b64decode(self.private)


class Keys(Protocol):
    """Keeps the private keys of this host. Both verbs may raise ``Failed``."""

    def read(self) -> Sequence[OwnKey]:
        """Return the keys, none if there are none that can be used."""

    def write(self, keys: Sequence[OwnKey]) -> None:
        """Keep these and no others; they are on stable storage when this returns."""


def new_key(generation: int, slot: int, made: int) -> OwnKey:
    """Return a new key (RFC 7748, section 5: three bits are given)."""
    raw = bytearray(secrets.token_bytes(KEY_LENGTH))
    raw[0] &= 248
    raw[31] = (raw[31] & 127) | 64
    return OwnKey(generation, slot, made, b64encode(raw).decode())


class KeysInMemory:
    """``Keys`` of a process without a state folder."""

    def __init__(self) -> None:
        self._keys: Sequence[OwnKey] = ()

    def read(self) -> Sequence[OwnKey]:
        """Return the keys."""
        return self._keys

    def write(self, keys: Sequence[OwnKey]) -> None:
        """Keep these."""
        self._keys = tuple(keys)


class KeyFile:
    """``Keys`` in a file of ``folder``; ``machine`` is the id of this machine.

    A folder that was copied to another machine has the keys of the first one there: they are not used.
    """

    def __init__(self, folder: Path, machine: str) -> None:
        self._path = folder / FILE
        self._machine = machine

    def read(self) -> Sequence[OwnKey]:
        """Read the file; one of another machine, or that cannot be understood, holds no keys."""
        try:
            data = json.loads(self._path.read_text())
            if data["machine"] != self._machine:
                log.warning("keys of WireGuard are made anew: the file is another machine's", file=str(self._path))
                return ()
            return tuple(_key(one) for one in data["keys"])
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Failed(f"read '{self._path}': {reason(error)}") from error
        except (KeyError, TypeError, ValueError):
            log.warning("keys of WireGuard are made anew: the file cannot be read", file=str(self._path))
            return ()

    def write(self, keys: Sequence[OwnKey]) -> None:
        """Replace the file, and remove it with the last key."""
        try:
            if keys:
                content = {"machine": self._machine, "keys": [asdict(key) for key in keys]}
                write_private(self._path, json.dumps(content) + "\n")
            else:
                self._path.unlink(missing_ok=True)
            sync_folder(self._path.parent)
        except OSError as error:
            raise Failed(f"keep the keys of WireGuard in '{self._path}': {reason(error)}") from error


def _key(data: Any) -> OwnKey:
    key = OwnKey(int(data["generation"]), int(data["slot"]), int(data["made"]), str(data["private"]))
    if len(key.raw) != KEY_LENGTH or key.slot not in (0, 1):
        raise ValueError(key.generation)
    return key
