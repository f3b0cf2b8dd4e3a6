"""The public keys of hosts in the cluster store, and the address that each host has inside the encrypted tunnels."""

import hashlib
from base64 import b64decode
from binascii import Error
from ipaddress import IPv6Address, IPv6Network
from typing import ClassVar

from netlink.values import dataclass
from plugin.model.flaws import first, number_flaw, record_flaw
from plugin.protocol.messages import Address

KEY_LENGTH = 32  # bytes, of a key of Curve25519 (RFC 7748)
MOST_KEYS = 2  # of a host: a second one while it changes
TUNNELS = IPv6Network("fd70:796e:6574::/64")  # unique local (RFC 4193); never seen outside of a tunnel


def tunnel_address(host: str) -> IPv6Address:
    """Return the address of a host inside the tunnels, which follows from its id.

    64 bits of a hash: among 1,000 hosts two are alike once in 37 billion clusters. It is IPv6 over whatever is outside,
    so that it collides with nothing that the hosts use, and nobody has to give it out.
    """
    return TUNNELS[int.from_bytes(hashlib.sha256(host.encode()).digest()[:8], "big")]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of a host, and the UDP port of the link that has it.

    All hosts of a cluster change their keys together: each change begins a new ``generation``.
    """

    generation: int
    public: str
    port: int

    @property
    def flaw(self) -> str:
        """Return why it cannot be a key, "" if it can."""
        return first(
            number_flaw("generation", self.generation, 1, 1 << 31),
            number_flaw("port", self.port, 1, 65535),
            "" if _is_key(self.public) else f"{self.public!a} is no public key of WireGuard",
        )


@dataclass(frozen=True, slots=True)
class HostKeys:
    """The public keys of a host that has an encrypted network; the others reach its links at ``address``.

    With ``sends`` as generation it sends to all others. ``life`` changes whenever its clock may have gone back: the
    others take it for a new peer then, as WireGuard accepts no greeting that is older than the last one.
    """

    kind: ClassVar[str] = "cluster-wireguard"

    host: str
    address: Address
    keys: tuple[PublicKey, ...]
    sends: int = 0
    life: str = ""

    @property
    def key(self) -> str:
        return self.host

    @property
    def flaw(self) -> str:
        return first(
            record_flaw(self, "host"),
            number_flaw("keys", len(self.keys), 1, MOST_KEYS),
            number_flaw("sends", self.sends, 0, 1 << 31),
            *(key.flaw for key in self.keys),
        )

    def of(self, generation: int) -> PublicKey | None:
        """Return the key of a generation, None without one."""
        return next((key for key in self.keys if key.generation == generation), None)

    @property
    def newest(self) -> int:
        """The last generation of which it has a key."""
        return max(key.generation for key in self.keys)


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == KEY_LENGTH
    except (Error, ValueError):
        return False
