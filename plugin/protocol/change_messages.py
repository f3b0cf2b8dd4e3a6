"""Messages of the verbs that change running networks and containers."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from netlink.ip import Address, InterfaceAddress
from netlink.values import dataclass
from plugin.protocol.messages import PortBinding, StaticRoute
from plugin.protocol.own_messages import PublishedPort


@dataclass(frozen=True, slots=True)
class SetOptions:
    """Options to set on a running network, or on one endpoint of it, by key or short name."""

    network: str
    endpoint: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResetOptions:
    """Options whose changes are to be taken back, by key or short name; all of them without ``words``.

    The word "ports" means the ports that were published or withdrawn beside Docker's.
    """

    network: str
    endpoint: str = ""
    words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PublishPorts:
    """Ports to publish beside those of a running container."""

    network: str
    endpoint: str
    bindings: Sequence[PortBinding] = ()


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the host, with its IP protocol number."""

    proto: int
    port: int


@dataclass(frozen=True, slots=True)
class UnpublishPorts:
    """Ports of a running container to withdraw."""

    network: str
    endpoint: str
    ports: Sequence[HostPort] = ()


@dataclass(frozen=True, slots=True)
class ReserveAddress:
    """An address of a network to reserve for the container of a name; None means to end the reservation."""

    network: str
    name: str
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Addresses that are reserved for the container of a name, or were."""

    network: str
    name: str
    addresses: Sequence[Address]


@dataclass(frozen=True, slots=True)
class TakeLease:
    """A running container that is to have the address of its lease, after the server gave it another one."""

    network: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class TakenLease:
    """The address of a container from now on, the one before, and its routes by DHCP.

    The link in the container, which has ``mac``, is to be changed as well, which the serving process cannot do.
    """

    network: str
    endpoint: str
    mac: str
    before: InterfaceAddress
    address: InterfaceAddress
    gateway: Address | None
    routes: Sequence[StaticRoute] = ()


@dataclass(frozen=True, slots=True)
class SettingChange:
    """An option with its texts before and now; ``origin`` is one of ``plugin.options.origin``."""

    key: str
    value: str
    origin: str
    before: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Options and ports that changed on a network with ``endpoints`` endpoints, or on one of them.

    ``mtu`` and ``gso``, the largest packet in bytes, are those of the links from now on, 0 if they are as before: the
    ends of links in containers are to be changed as well, which the serving process cannot do.
    """

    network: str
    endpoint: str
    endpoints: int
    settings: Sequence[SettingChange] = ()
    mtu: int = 0
    gso: int = 0
    published: Sequence[PublishedPort] = ()
    withdrawn: Sequence[PublishedPort] = ()
