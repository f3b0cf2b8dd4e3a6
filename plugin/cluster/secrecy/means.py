"""What this host has to encrypt with."""

from dataclasses import dataclass, field

from netlink import wireguard as linux
from plugin.cluster.secrecy.key_file import Keys, KeysInMemory
from plugin.cluster.secrecy.ports import PORT
from plugin.interfaces import WireGuards


@dataclass(frozen=True, slots=True)
class Means:
    """The kernel's WireGuard, the private keys, the first of two UDP ports, and the days after which keys change.

    After 0 days means never.
    """

    wireguard: WireGuards = field(default_factory=linux.WireGuards)
    keys: Keys = field(default_factory=KeysInMemory)
    port: int = PORT
    days: int = 0
