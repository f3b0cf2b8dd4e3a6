"""The records of pynet, all frozen; links, addresses and rules in the kernel can be made again from them alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import ClassVar

from netlink.values import dataclass
from plugin.errors import InvalidRequest
from plugin.model.flaws import text_flaw
from plugin.model.parent import Parent
from plugin.model.setting_paths import check_setting
from plugin.model.words import check_names
from plugin.options.network import ISOLATED, ROUTED, UNPROTECTED, EndpointSettings, NetworkSettings
from plugin.options.option import plain_address
from plugin.options.pool import SharedPoolSettings
from plugin.options.senders import NOBODY, Senders
from plugin.options.tunnel import VXLAN, is_routed
from plugin.protocol.messages import Address, InterfaceAddress, PortBinding, Subnet

_PROTOCOLS, _LARGEST_PORT = (6, 17, 132), 65535
LEAST_IPV6_MTU = 1280  # bytes (RFC 8200 section 5); the kernel takes IPv6 off a link below it
DEFAULT_MTU = 1500  # bytes, of an Ethernet-like link and of a bridge without ports (br_mtu_min, net/bridge/br_if.c)


@dataclass(frozen=True, slots=True)
class Overlay:
    """The agreement of all hosts about an overlay network; a dead host loses its addresses in ``takeover`` seconds."""

    network: str
    vni: int
    port: int
    mtu: int
    takeover: int = 0
    tunnel: str = VXLAN
    encrypt: str = ""  # or "wireguard"


@dataclass(frozen=True, slots=True)
class NetworkSubnet:
    """A subnet of a network; ``gateway`` is None where none was reserved.

    ``space`` is the address space from which the engine got it, "" in records of versions that did not keep it.
    """

    pool: Subnet
    gateway: InterfaceAddress | None = None
    aux_addresses: Mapping[str, InterfaceAddress] = field(default_factory=dict)
    space: str = field(default="", compare=False)

    @property
    def router(self) -> InterfaceAddress | None:
        """The containers' default route: the gateway, unless an auxiliary address says that it is another machine.

        Such an address is called DefaultGatewayIPv4 or DefaultGatewayIPv6 (moby drivers/bridge/bridge_linux.go).
        """
        return self.aux_addresses.get(f"DefaultGatewayIPv{self.pool.version}") or self.gateway


@dataclass(frozen=True)
class Network:
    """A network as CreateNetwork described it, and the link that carries it.

    ``owns_link`` says whether pynet made the link; pynet never deletes a link that it adopted, nor the gateway
    addresses ``found`` on it. ``mac`` is the link's MAC. ``overlay`` is the agreement of the hosts, in mode overlay.
    ``host_gateway`` says whether the host is the gateway of the containers, as the mode declares. ``gso`` is the
    largest packet of its links in bytes, chosen when it was created; 0 leaves them the kernel's own 64 kB. ``options``
    are Docker's; ``changes`` were set with ``pynet network set`` and go before them. ``parent`` is the identity of a
    link of the host that is the parent of the containers' links, and ``link`` its present name. ``policy_changed`` says
    that options of policy were ever among the changes. What follows from the fields is worked out once.
    """

    kind: ClassVar[str] = "network"

    id: str
    mode: str
    link: str
    owns_link: bool = True
    internal: bool = False
    subnets: tuple[NetworkSubnet, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    found: tuple[InterfaceAddress, ...] = ()
    mac: str = ""
    overlay: Overlay | None = None
    host_gateway: bool = True
    gso: int = 0
    changes: Mapping[str, str] = field(default_factory=dict)
    parent: Parent | None = None
    policy_changed: bool = False

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        check_names(ids=[self.id], links=[self.link], mac=self.mac)
        if self.parent is not None:
            check_names(mac=self.parent.mac)

    @property
    def key(self) -> str:
        """The network id."""
        return self.id

    @cached_property
    def on_host(self) -> bool:
        """Whether the host has addresses in its subnets; an internal network that hosts share leads nowhere else."""
        inward = self.internal and SharedPoolSettings.network.key in self.options and not is_routed(self.options)
        return self.host_gateway and not inward

    def router(self, version: int) -> Address | None:
        """Address of the containers' default route for IP ``version`` (4 or 6), if there is one."""
        router = next((subnet.router for subnet in self.subnets if subnet.pool.version == version), None)
        return router.ip if router else None

    @cached_property
    def in_force(self) -> Mapping[str, str]:
        """The texts of the options that the user set, as they are after the changes."""
        return {**self.options, **self.changes}

    @cached_property
    def settings(self) -> NetworkSettings:
        """The options that the user set.

        Raises:
            InvalidRequest: the record holds an option that this version cannot read, as after a step back to an older
                pynet. Only the mode knows which keys are unknown (``plugin.modes.registry.mode_of``).
        """
        if self.readable_settings.flaw:
            raise InvalidRequest(self.readable_settings.flaw)
        return self.readable_settings

    @cached_property
    def readable_settings(self) -> NetworkSettings:
        """The options of the user that this version can read; the others have their defaults."""
        return NetworkSettings.readable(self.in_force)

    @cached_property
    def mtu(self) -> int:
        """MTU of the network's links in bytes; an option that cannot be read counts as ``DEFAULT_MTU``."""
        if self.overlay is not None:
            return self.overlay.mtu
        return self.readable_settings.mtu or (self.parent.mtu if self.parent else 0) or DEFAULT_MTU

    @cached_property
    def families(self) -> Collection[int]:
        """IP versions of the network's subnets that its links can carry."""
        versions = {subnet.pool.version for subnet in self.subnets}
        return versions - {6} if self.mtu < LEAST_IPV6_MTU else versions

    @cached_property
    def forwards(self) -> bool:
        """Whether pynet turns forwarding on for the network; an option that cannot be read counts as its default."""
        leads = not self.internal or is_routed(self.options)
        return self.host_gateway and leads and self.readable_settings.forwarding

    @cached_property
    def leads_out(self) -> bool:
        """Whether containers have a way out through the network, if it is their gateway; raises as ``settings``."""
        return not self.internal and self.settings.publish == "pynet"

    @cached_property
    def gateway_addresses(self) -> Sequence[InterfaceAddress]:
        """Addresses that belong on the bridge: not those of an external router, nor in a network that leads nowhere.

        Raises as ``settings``.
        """
        settings, families = self.settings, self.families
        return [
            subnet.gateway
            for subnet in self.subnets
            if self.on_host
            and subnet.gateway is not None
            and subnet.pool.version in families
            and settings.gateway_mode(subnet.pool.version) != ISOLATED
            and not (settings.inhibit_ipv4 and subnet.pool.version == 4)
        ]


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether an endpoint is guarded, and its further senders beside its own MAC and addresses."""

    on: bool
    allowed: Senders


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a container that can be reached through the host.

    ``proto`` is the IP protocol number. ``host`` is the address on which it is published; 0.0.0.0 or :: means all
    addresses of the host, None means that only the container's own address ``target`` leads to the port.
    """

    proto: int
    port: int
    target: Address
    host: Address | None = None
    host_port: int = 0

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        if self.proto not in _PROTOCOLS or not all(0 <= port <= _LARGEST_PORT for port in (self.port, self.host_port)):
            raise ValueError(f"port {self.port} of protocol {self.proto} cannot be published on {self.host_port}")


@dataclass(frozen=True, slots=True)
class Way:
    """Another endpoint of the same container, by its key and MAC, which may send from this one's addresses."""

    key: str
    mac: str

    @property
    def endpoint_id(self) -> str:
        """The id from which the name of its link is made."""
        return self.key.partition("/")[2]

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        check_names(ids=self.key.split("/", 1), mac=self.mac)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, its addresses and the ports that it publishes now.

    ``sandbox`` is the sandbox of its container, known since it published ports or had ``ways``, see
    ``plugin.network.ways``. ``changes`` are the options that the user set with ``pynet endpoint set``; they go before
    ``driver_opts``. The user ``added`` ports to Docker's, with the host ports that they got, and took others away
    (``withdrawn``). In a mode that publishes nothing, Docker's ports are ``unpublished``: they are open at the address
    of the container. ``parent`` is the link upon which its own link was made, in a mode with such links.
    ``policy_changed``: its policy is not the one with which it began, and connections may be open that it forbids.
    ``taken`` is the id of the host that took over one of its addresses, or ""; meanwhile its port is closed.
    """

    kind: ClassVar[str] = "endpoint"

    id: str
    network_id: str
    mac: str
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    sandbox: str = field(default="", compare=False)
    ways: tuple[Way, ...] = field(default=(), compare=False)
    changes: Mapping[str, str] = field(default_factory=dict)
    added: tuple[PortBinding, ...] = ()
    withdrawn: tuple[Published, ...] = ()
    unpublished: tuple[Published, ...] = field(default=(), compare=False)
    parent: Parent | None = field(default=None, compare=False)
    policy_changed: bool = False
    taken: str = ""

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        check_names(ids=[self.id, self.network_id], mac=self.mac)
        for binding in self.added:
            plain_address(binding.host_ip or "::")
            Published(binding.proto, binding.port, IPv4Address(0), host_port=binding.host_port).check()
        for port in (*self.published, *self.withdrawn, *self.unpublished):
            port.check()
        for way in self.ways:
            way.check()

    @property
    def key(self) -> str:
        """Network id and endpoint id; the network id as a prefix lists its endpoints."""
        return f"{self.network_id}/{self.id}"

    @property
    def settings(self) -> EndpointSettings:
        """The options that the user set; raises like ``Network.settings``."""
        return EndpointSettings.read(self.in_force)

    @property
    def readable_settings(self) -> EndpointSettings:
        """The options of the user that this version can read; the others have their defaults."""
        return EndpointSettings.readable(self.in_force)

    @property
    def in_force(self) -> Mapping[str, str]:
        """The texts of the options that the user set, as they are after the changes."""
        return {**self.driver_opts, **self.changes} if self.changes else self.driver_opts

    def guard(self, network: Network) -> Guard:
        """Return the guard: the endpoint's option overrides its network's; senders that either allows are allowed.

        With ``pynet.egress=deny`` the guard is on and nobody else is allowed: as somebody else, a container would get
        anywhere.
        """
        of_network, own = network.settings, self.settings
        if (own.egress or of_network.egress) == "deny":
            return Guard(True, NOBODY)
        on = of_network.guard if own.guard is None else own.guard
        return Guard(on, of_network.guard_allow | own.guard_allow)

    def direct_addresses(self, network: Network) -> list[Address]:
        """Return the addresses that machines outside of the network may reach; raises as ``Network.settings``."""
        settings, own = network.settings, (self.ipv4, self.ipv6)
        return [
            address.ip
            for address in own
            if address is not None
            and not network.internal
            and settings.gateway_mode(address.version) in {ROUTED, UNPROTECTED}
        ]


@dataclass(frozen=True, slots=True)
class ChangedSetting:
    """A setting that pynet changed, and its value before."""

    kind: ClassVar[str] = "setting"

    path: str
    before: str

    def check(self) -> None:
        """Check a record from a file, whose value would be written as root; raises ValueError."""
        check_setting(self.path, self.before)

    @property
    def key(self) -> str:
        """The path below /proc/sys."""
        return self.path


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A link whose owner is gone and that the kernel has still to delete.

    ``owner`` is the id of the network or the endpoint for which the link was made; a later link may have the same name.
    It is "" in records of versions that did not keep it: then any link of this name that this pynet made is meant.
    """

    kind: ClassVar[str] = "tombstone"

    link: str
    owner: str = ""

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        check_names(links=[self.link])

    @property
    def key(self) -> str:
        """The name of the link."""
        return self.link


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of addresses; dynamic addresses come from ``sub_pool`` where there is one.

    ``keep`` is the number of seconds for which an address that was given back is kept for the name that had it.
    ``reserved`` says whether addresses of it may be reserved for names; then requests look for that.
    """

    kind: ClassVar[str] = "pool"

    id: str
    subnet: Subnet
    sub_pool: Subnet | None = None
    keep: int = 0
    reserved: bool = False

    @property
    def key(self) -> str:
        """The pool id."""
        return self.id

    @property
    def flaw(self) -> str:
        """A part that is not allowed in a record that hosts share, in words."""
        return text_flaw(self)


@dataclass(frozen=True, slots=True)
class Lease:
    """An address of a pool that somebody holds; ``purpose`` is gateway, endpoint or auxiliary.

    ``kept_until`` (seconds since 1970) is 0 while it is held; otherwise it was given back and is kept for ``name``,
    without an end if it is reserved (``plugin.ipam.sticky.FOREVER``).
    """

    kind: ClassVar[str] = "lease"

    pool_id: str
    address: Address
    purpose: str = "endpoint"
    name: str = ""
    kept_until: int = 0

    @property
    def key(self) -> str:
        """Pool id and address; the pool id as a prefix lists its leases."""
        return f"{self.pool_id}#{self.address}"
