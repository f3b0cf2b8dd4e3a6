"""The stored lease of an endpoint, written before a server is asked and again before the address is used."""

from ipaddress import IPv4Interface
from typing import ClassVar

from netlink.values import dataclass
from plugin.dhcp.model import ClientIdentity, Lease4
from plugin.model.words import check_names


@dataclass(frozen=True, slots=True)
class DhcpLease:
    """The lease of an endpoint, asked for on ``link`` by the identity in the next four fields.

    ``client_id`` is in hex. ``lease`` is None until a server has given one, and ``address`` is the one that the
    container was given. ``lost`` says that the lease ended, or was refused, while a container used its address. A lease
    whose endpoint has no record is to be given back.
    """

    kind: ClassVar[str] = "dhcp-lease"

    network_id: str
    endpoint_id: str
    link: str
    mac: str
    client_id: str = ""
    host_name: str = ""
    vendor_class: str = ""
    lease: Lease4 | None = None
    address: IPv4Interface | None = None
    lost: bool = False

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        check_names(ids=[self.network_id, self.endpoint_id], links=[self.link], mac=self.mac)
        bytes.fromhex(self.client_id)

    @property
    def moved(self) -> bool:
        """Whether the server gives another address than the one that the container has."""
        return self.lease is not None and self.address not in {None, self.lease.address}

    @property
    def key(self) -> str:
        """Network id and endpoint id, as the key of the endpoint."""
        return f"{self.network_id}/{self.endpoint_id}"

    @property
    def identity(self) -> ClientIdentity:
        """The texts by which servers know the client."""
        return ClientIdentity(self.mac, bytes.fromhex(self.client_id), self.host_name, self.vendor_class)

    @property
    def client(self) -> tuple[str, str]:
        """The link, and the part of the identity by which servers tell clients apart."""
        return self.link, self.client_id or self.mac
