"""Records of overlay networks in the cluster store."""

from ipaddress import IPv4Interface, IPv6Address, IPv6Interface
from typing import ClassVar

from netlink.values import dataclass
from plugin.model.flaws import first, mac_flaw, number_flaw, record_flaw
from plugin.model.names import WIREGUARD
from plugin.model.records import NetworkSubnet
from plugin.options.policy import MOST_GROUPS
from plugin.options.tunnel import TUNNELS, VXLAN, uses_routes
from plugin.protocol.messages import Address

LAST_VNI = (1 << 24) - 1
MOST_BEHIND = 64  # hosts behind routers that a host tells the others about; with more it tells none


@dataclass(frozen=True, slots=True)
class ClusterNetwork:
    """An overlay network, as its hosts agreed on it; ``mtu`` is for the containers, ``port`` is the UDP port.

    The addresses of a host that has been dead for ``takeover`` seconds are released, with 0 never.
    ``encrypt`` is "wireguard" or "". An earlier pynet leaves it out when it joins (``agreement`` refuses that).

    A network without a ``Member`` was left by a host that could not remove it, and binds nobody.

    A network with routes has ``port`` 0, and its UDP port in ``routed_port``: an earlier pynet, which would join with a
    tunnel, finds the record flawed, and refuses.
    """

    kind: ClassVar[str] = "cluster-network"

    name: str
    vni: int
    port: int
    mtu: int
    internal: bool = False
    subnets: tuple[NetworkSubnet, ...] = ()
    takeover: int = 0
    tunnel: str = VXLAN
    routed_port: int = 0
    encrypt: str = ""

    @property
    def key(self) -> str:
        """The name that users give with ``pynet.network``."""
        return self.name

    @property
    def udp_port(self) -> int:
        """The UDP port of VXLAN."""
        return self.routed_port or self.port

    @property
    def flaw(self) -> str:
        return first(
            record_flaw(self, "name"),
            number_flaw("vni", self.vni, 1, LAST_VNI),
            "" if self.tunnel in TUNNELS else f"'tunnel' is {self.tunnel!a}, which this pynet does not know",
            "" if uses_routes(self.tunnel) is (self.port == 0) else f"'port' is {self.port}, with tunnel {self.tunnel}",
            number_flaw("port", self.udp_port, 1, 65535),
            number_flaw("mtu", self.mtu, 68, 65535),
            "" if self.encrypt in {"", WIREGUARD} else f"'encrypt' is {self.encrypt!a}, which this pynet does not know",
        )


@dataclass(frozen=True, slots=True)
class VniClaim:
    """The network that has a VXLAN network identifier."""

    kind: ClassVar[str] = "cluster-vni"

    vni: int
    network: str

    @property
    def key(self) -> str:
        return str(self.vni)

    @property
    def flaw(self) -> str:
        return first(record_flaw(self, "network"), number_flaw("vni", self.vni, 1, LAST_VNI))


@dataclass(frozen=True, slots=True)
class Member:
    """A host that has a network, and the address at which it receives the network's frames.

    Of an encrypted network it is the one inside the tunnels, which follows from the host's id.
    ``link_local`` is the IPv6 address of its link to the other hosts, for those that route to its containers.
    ``behind`` are the ids of hosts that it reaches by a router: it drops what they send it without a tunnel.
    ``network_id`` is the id in that host's Docker, so that a late removal never hits the network that followed.
    ``takeover`` are the seconds after which the others may take over its addresses. An earlier pynet writes none: it
    does not know how a host ends a takeover, and drops that time from the ``ClusterNetwork`` that it writes again.
    """

    kind: ClassVar[str] = "cluster-member"

    network: str
    host: str
    network_id: str
    address: Address
    takeover: int = 0
    link_local: IPv6Address | None = None
    behind: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Network, host and Docker's id of the network, so that a prefix lists a network's hosts."""
        return f"{self.network}/{self.host}/{self.network_id}"

    @property
    def flaw(self) -> str:
        few = number_flaw("behind", len(self.behind), 0, MOST_BEHIND)
        return first(record_flaw(self, "network", "host"), few)


@dataclass(frozen=True, slots=True)
class Peer:
    """An endpoint of an overlay network and its host; of two with the same address the later one counts.

    ``groups`` are those of its policy; hosts with an earlier pynet announce none.
    """

    kind: ClassVar[str] = "cluster-peer"

    network: str
    endpoint: str
    host: str
    mac: str
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    groups: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Network and Docker's id of the endpoint, so that a prefix lists a network's endpoints."""
        return f"{self.network}/{self.endpoint}"

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses without prefix lengths."""
        return tuple(own.ip for own in (self.ipv4, self.ipv6) if own)

    @property
    def flaw(self) -> str:
        many = number_flaw("groups", len(self.groups), 0, MOST_GROUPS)
        return first(record_flaw(self, "network", "endpoint", "host"), mac_flaw(self.mac), many)


@dataclass(frozen=True, slots=True)
class AddressClaim:
    """The endpoint that has an address of an overlay network; it counts while a ``Peer`` has the address."""

    kind: ClassVar[str] = "cluster-address-claim"

    network: str
    address: Address
    endpoint: str
    host: str

    @property
    def key(self) -> str:
        """Network and address, so that the cluster store accepts one claim."""
        return f"{self.network}/{self.address}"

    @property
    def flaw(self) -> str:
        return record_flaw(self, "network", "endpoint", "host")
