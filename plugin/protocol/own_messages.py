"""Answers of the serving process to pynet's own command."""

from collections.abc import Mapping, Sequence
from typing import Any

from netlink.ip import Address
from netlink.values import dataclass
from plugin.protocol.messages import InterfaceAddress, Subnet


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting with its value as text; ``origin`` is "default" or "environment". A secret is named by its file."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class About:
    """The serving process, with process id and state folder as it sees them, which differ outside of a container.

    It began to serve at ``started``, in seconds since 1970.
    """

    version: str
    process: int
    started: float
    name: str
    state_dir: str
    managed: bool  # by the engine, as a plugin
    settings: Sequence[SettingInForce]


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of a container; without ``host_ip`` it is open at the container's own address.

    One that is not ``published`` is open to the LAN there, and the host has nothing to do with it.
    """

    endpoint: str
    network: str
    proto: str
    host_ip: Address | None
    host_port: int
    container_ip: Address
    container_port: int
    published: bool = True


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """The lease of an endpoint: its address now, the server, and until when it lasts, in seconds since 1970.

    ``ends`` is 0 for a lease without an end. ``moved`` says that the container has another address than the lease, and
    ``lost`` that the lease has ended or was refused.
    """

    address: InterfaceAddress
    server: Address
    router: Address | None
    ends: int
    moved: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """An endpoint: ``link`` is its host end, or the link of its network if all of its own is in the container.

    ``sandbox`` is the namespace of its container, "" before a Join. ``options`` are those of Docker, and ``changes``
    those of pynet, which go before them. ``made`` are addresses that a container of the LAN made itself, as the LAN's
    router advertises (SLAAC).
    """

    id: str
    network: str
    link: str
    mac: str
    ipv4: InterfaceAddress | None
    ipv6: InterfaceAddress | None
    sandbox: str
    guarded: bool
    ports: int
    options: Mapping[str, str]
    changes: Mapping[str, str]
    lease: LeaseReport | None = None
    made: Sequence[InterfaceAddress] = ()


@dataclass(frozen=True, slots=True)
class SubnetReport:
    """A subnet of a network, with the gateway of its containers."""

    subnet: Subnet
    gateway: Address | None


@dataclass(frozen=True, slots=True)
class ReservedAddress:
    """An address that is reserved for the container of a name."""

    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """A network: ``mtu`` in bytes; ``vni`` is 0 for a network of one host, whose ``shared_as`` is "".

    ``options`` are those of Docker, and ``changes`` those of pynet, which go before them. ``dhcp`` says whether the
    LAN's server gives the addresses.
    """

    id: str
    mode: str
    link: str
    internal: bool
    mtu: int
    guarded: bool
    shared_as: str
    vni: int
    subnets: Sequence[SubnetReport]
    reserved: Sequence[ReservedAddress]
    options: Mapping[str, str]
    changes: Mapping[str, str]
    endpoints: Sequence[EndpointReport]
    dhcp: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """How many addresses of a subnet, or of its range for containers, are taken; ``network`` is "" for a bare pool."""

    network: str
    subnet: Subnet
    taken: int
    size: int


@dataclass(frozen=True, slots=True)
class ResolverReport:
    """What the resolver does: for how many ``networks``, at which ``addresses`` (none while it does not serve).

    ``trouble`` is a sentence about the reason why it does not. ``servers`` are those of the host, which it asks.
    ``questions`` are numbers by outcome since the start of pynet, and ``kept`` is the number of answers in its cache.
    """

    networks: int
    addresses: Sequence[Address]
    port: int
    trouble: str
    servers: Sequence[str]
    questions: Mapping[str, int]
    kept: int


@dataclass(frozen=True, slots=True)
class NameReport:
    """An endpoint with the names that containers of its network find it by.

    ``host`` is the id of its host, "" for this one, and ``host_name`` the name of that host, "" if it is not known.
    """

    network: str
    network_name: str
    endpoint: str
    host: str
    names: Sequence[str]
    addresses: Sequence[Address]
    host_name: str = ""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of the keys of encrypted networks that has begun, with the ``generation`` of the new ones."""

    generation: int

    @property
    def sentence(self) -> str:
        return (
            f"all hosts change to keys of generation {self.generation}; 'pynet cluster status' says for whom that waits"
        )


@dataclass(frozen=True, slots=True)
class ForgottenHost:
    """A dead host of the cluster, and how many addresses and uses of pools became free."""

    host: str
    addresses: int
    pool_uses: int

    @property
    def sentence(self) -> str:
        return (
            f"host '{self.host}' is forgotten: {self.addresses} addresses and {self.pool_uses} uses of pools are free"
        )


@dataclass(frozen=True, slots=True)
class StateCopy:
    """A database of SQLite as of one moment, and how many records of each kind it has."""

    database: bytes
    records: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LogPart:
    """The newest records of the log, as JSON's types; ``cursor`` asks for those that come after them."""

    cursor: str
    records: Sequence[Mapping[str, Any]]
