"""The requests and replies of Docker's two driver protocols, as frozen values.

The wire form of each lives in ``spec/`` and is read and written by ``handlers/``; below this line no
address is a string. Field names follow moby ``daemon/libnetwork/drivers/remote/api`` and
``daemon/libnetwork/ipams/remote/api``, in snake case.
"""

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from netlink import ip
from netlink.values import dataclass

Address = ip.Address
InterfaceAddress = ip.InterfaceAddress
Subnet = ip.Subnet


# --- shared pieces -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IpamData:
    """One subnet of a network, as the address manager gave it to the engine.

    ``gateway`` is missing when none was assigned (null IPAM, GwAllocCheck said skip).
    """

    pool: Subnet
    address_space: str = ""
    gateway: InterfaceAddress | None = None
    aux_addresses: Mapping[str, InterfaceAddress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortBinding:
    """A request to publish ``port`` of the container on the host; ``proto`` is the IP protocol number.

    ``host_port`` 0 asks for any free port; ``host_port`` < ``host_port_end`` for a free one in the range.
    """

    proto: int
    port: int
    ip: str = ""
    host_ip: str = ""
    host_port: int = 0
    host_port_end: int = 0


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """The ``Options`` of CreateNetwork and GwAllocCheck.

    ``generic`` holds the user's ``-o key=value``, all strings.
    """

    generic: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """The ``Options`` of CreateEndpoint, Join and ProgramExternalConnectivity.

    ``driver_opts`` are the user's ``--driver-opt`` strings; everything that the engine itself adds
    (ports, MAC, DNS servers, sandbox labels) is kept out of them.
    """

    port_map: tuple[PortBinding, ...] = ()
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    no_proxy_6to4: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """Addresses of an endpoint's interface; ``None`` is the wire's empty string."""

    address: InterfaceAddress | None = None
    address_ipv6: InterfaceAddress | None = None
    mac_address: str | None = None


# --- NetworkDriver -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Reply of NetworkDriver.GetCapabilities."""

    scope: str = "local"
    connectivity_scope: str = "local"
    gw_alloc_checker: bool = True


@dataclass(frozen=True, slots=True)
class GwAllocCheck:
    """Asked before any address is requested (28.0 and later)."""

    options: NetworkOptions = field(default_factory=NetworkOptions)


@dataclass(frozen=True, slots=True)
class GwAllocReply:
    """Which families need no gateway address reserved."""

    skip_ipv4: bool = False
    skip_ipv6: bool = False


@dataclass(frozen=True, slots=True)
class AllocateNetwork:
    """Swarm leader only; ``options`` is flat here."""

    network_id: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AllocateReply:
    """The options that replace the user's on every node: they must be echoed."""

    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """Make a network. Never repeated by the engine, not even after a restart."""

    network_id: str
    options: NetworkOptions = field(default_factory=NetworkOptions)
    ipv4_data: tuple[IpamData, ...] = ()
    ipv6_data: tuple[IpamData, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkRef:
    """DeleteNetwork and FreeNetwork."""

    network_id: str


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """Make an endpoint, before its container joins it."""

    network_id: str
    endpoint_id: str
    interface: Interface = field(default_factory=Interface)
    options: EndpointOptions = field(default_factory=EndpointOptions)


@dataclass(frozen=True, slots=True)
class CreateEndpointReply:
    """Only the fields that the request left empty: an echo is an error to the engine."""

    interface: Interface = field(default_factory=Interface)


@dataclass(frozen=True, slots=True)
class EndpointRef:
    """DeleteEndpoint, EndpointOperInfo, Leave, RevokeExternalConnectivity."""

    network_id: str
    endpoint_id: str


@dataclass(frozen=True, slots=True)
class OperInfo:
    """Reply of EndpointOperInfo."""

    value: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Join:
    """Put an endpoint into the sandbox (network namespace path) of a container."""

    network_id: str
    endpoint_id: str
    sandbox_key: str
    options: EndpointOptions = field(default_factory=EndpointOptions)


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A route of a container; without ``next_hop`` the destination is on the link itself."""

    destination: Subnet
    next_hop: Address | None = None


@dataclass(frozen=True, slots=True)
class JoinReply:
    """The link to move (``src_name``, ≤ 15 characters, in the engine's namespace) and its routing."""

    src_name: str
    dst_prefix: str
    gateway: IPv4Address | None = None
    gateway_ipv6: IPv6Address | None = None
    disable_gateway_service: bool = False
    static_routes: tuple[StaticRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramExternalConnectivity:
    """Publish the endpoint's ports; a repeat replaces the published ports."""

    network_id: str
    endpoint_id: str
    options: EndpointOptions = field(default_factory=EndpointOptions)


@dataclass(frozen=True, slots=True)
class Discovery:
    """DiscoverNew and DiscoverDelete: a node joined or left the swarm."""

    discovery_type: int
    data: Mapping[str, Any] = field(default_factory=dict)


# --- IpamDriver --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IpamCapabilities:
    """Reply of IpamDriver.GetCapabilities."""

    requires_mac_address: bool = False
    requires_request_replay: bool = False


@dataclass(frozen=True, slots=True)
class AddressSpaces:
    """Two different names: equal ones switch the engine's overlap check off (27.0)."""

    local: str
    global_: str


@dataclass(frozen=True, slots=True)
class RequestPool:
    """``pool`` None asks for any free pool; a zero address (0.0.0.0/24, ::/120) for one of that size."""

    address_space: str = ""
    pool: Subnet | None = None
    sub_pool: Subnet | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    v6: bool = False


@dataclass(frozen=True, slots=True)
class PoolReply:
    """The identity of a pool, opaque to the engine, and its subnet."""

    pool_id: str
    pool: Subnet
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReleasePool:
    """Give a pool back."""

    pool_id: str


@dataclass(frozen=True, slots=True)
class RequestAddress:
    """``address`` None asks for any free one. ``options`` may say that it is for a gateway."""

    pool_id: str
    address: Address | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddressReply:
    """The address with the prefix length of its pool, not /32."""

    address: InterfaceAddress
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReleaseAddress:
    """Give an address back; may name one that was never allocated."""

    pool_id: str
    address: Address | None = None


# --- pynet's own -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repair:
    """A difference that was found; ``error`` is the reason why it could not be repaired, "" if it was."""

    kind: str
    sentence: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """How many packets pynet's tables have dropped for one reason, in a network or ("") in none, since the start."""

    network: str
    reason: str
    frames: int


@dataclass(frozen=True, slots=True)
class Countdown:
    """This host has missed the host ``name`` for ``gone`` seconds, and takes over its addresses in ``left`` seconds.

    ``host`` is its id, ``network`` the name by which all hosts know the network of the addresses.
    """

    host: str
    name: str
    network: str
    gone: float
    left: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something to which nothing leads in a network that hosts share, a record or a host, and why.

    ``network`` is the name by which all hosts know the network.
    """

    network: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of repairs since the start, the findings that the last survey could not repair, and the number of surveys.

    The last survey ended at ``looked``, in seconds since 1970, 0 for none.
    ``drops`` are packets that pynet's tables dropped. ``sockets`` are held for ports, at most ``most_sockets``.
    ``takeovers`` are the dead hosts whose addresses this one takes over after some time. ``left_out`` is missing in the
    tables of networks that hosts share.
    """

    repairs: Mapping[str, int]
    failing: tuple[Repair, ...] = ()
    looks: int = 0
    drops: tuple[Drop, ...] = ()
    sockets: int = 0
    most_sockets: int = 0
    looked: float = 0.0
    takeovers: tuple[Countdown, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
