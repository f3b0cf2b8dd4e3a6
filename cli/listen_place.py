"""The address and port of PYNET_METRICS, before anything of a server is loaded."""

from ipaddress import IPv4Address, ip_address

from netlink.ip import FAMILY, Address
from netlink.values import dataclass

LOOPBACK = IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class ListenPlace:
    """An address of this host, and a TCP port."""

    address: Address
    port: int

    def __str__(self) -> str:
        """As a user writes it: an IPv6 address is in brackets."""
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"

    @property
    def family(self) -> int:
        """The family of its socket."""
        return FAMILY[self.address.version]

    @property
    def is_open(self) -> bool:
        """Whether other machines may reach it."""
        return not self.address.is_loopback


def parse_place(text: str) -> ListenPlace:
    """Read "9717", "127.0.0.1:9717" or "[::1]:9717"; raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError(text)
    if not colon:
        return ListenPlace(LOOPBACK, int(port))
    bracketed = host.startswith("[") and host.endswith("]")
    address = ip_address(host[1:-1] if bracketed else host)
    if bracketed is not (address.version == 6) or "%" in host:
        raise ValueError(text)
    return ListenPlace(address, int(port))
