"""The state that the records want of the kernel, and the state of the kernel: plain values that can be compared."""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field

from netlink.bridge_port import BridgePort
from netlink.bridge_vlan import Vlans
from netlink.devconf import read_settings
from netlink.errors import KernelError, Missing, NotSupported
from netlink.host_routes import HostRoute
from netlink.lan_links import ChildLink
from netlink.limits import Bucket
from netlink.links import Link
from netlink.values import dataclass
from netlink.vxlan import VxlanLink
from plugin.interfaces import Kernel
from plugin.model.elements import Elements
from plugin.protocol.messages import Address, InterfaceAddress

ANY_ON = "any but 0"
Held = tuple[int, Address, int]  # IP protocol, host address, host port


@dataclass(frozen=True, slots=True)
class WantedLink:
    """A link and its attributes; empty attributes are not compared.

    ``endpoint`` is the id of the endpoint that the link belongs to: such a link cannot be made again, because its other
    end was in a container. ``port`` has its flags as a port of a bridge. ``adopted`` links are a user's: they must be
    up, and pynet changes nothing else about them, except for a MAC that must stay. ``gso`` is the largest packet in
    bytes, and a link may have a larger one, unless it is the kernel's own size. ``peer``, the end of a veth pair that
    goes into a container, and its ``peer_mtu`` (``netlink.veth.VethPair``), ``tunnel`` and ``master_gso``, the largest
    packet of its bridge, are only used when the link is made. So is everything about a link that ``moves``, which goes
    into a container itself: it is not compared, and not missed. It is a child of the link ``parent``, and ``variety``
    and ``flag`` are the kernel's words for its mode.
    """

    name: str
    kind: str
    alias: str = ""
    mac: str = ""
    mtu: int = 0
    master: str = ""
    endpoint: str = ""
    adopted: bool = False
    port: BridgePort | None = None
    gso: int = 0
    master_gso: int = 0
    peer: str = ""
    peer_mac: str = ""
    peer_mtu: int = 0
    tunnel: VxlanLink | None = None
    parent: str = ""
    variety: str = ""
    flag: str = ""
    moves: bool = False

    @property
    def child(self) -> ChildLink:
        """The child of ``parent`` to make."""
        return ChildLink(self.name, self.kind, self.parent, self.variety, self.flag, self.mac, self.mtu, self.alias)


@dataclass(frozen=True, slots=True)
class WantedParent:
    """The link of the host upon which the links of containers are; ``index`` is 0 if it was last seen in another boot.

    Pynet ``made`` it, as a VLAN, and sets such a link up; it changes nothing about a user's link.
    """

    name: str
    index: int
    made: bool = False


@dataclass(frozen=True, slots=True)
class WantedRoute:
    """A route of the host by ``link`` to ``destination``, an address of an endpoint, with the MAC behind the link.

    Its packets have an address of the link ``source``; without one the route is not wanted (``source_for``). With
    ``mac`` "" the kernel asks for it.
    """

    endpoint: str
    destination: Address
    link: str
    source: str
    mac: str = ""


@dataclass(frozen=True, slots=True)
class WantedSetting:
    """A sysctl below /proc/sys, of ``link`` or, with "", of the host.

    The values in ``also`` are accepted too; ``ANY_ON`` accepts all but 0. ``switch`` is a setting of the host: whenever
    it is written, the kernel writes this one too. A kernel may lack an ``optional`` setting, together with the feature
    that it switches off.
    """

    path: str
    value: str
    link: str = ""
    also: tuple[str, ...] = ()
    switch: str = ""
    optional: bool = False

    def met_by(self, found: str | None) -> bool:
        """Return whether the value ``found`` is accepted; None is a setting that the kernel does not have."""
        if found is None:
            return self.optional
        return found in {self.value, *self.also} or (ANY_ON in self.also and found != "0")


@dataclass(frozen=True, slots=True)
class WantedPort:
    """A port that a socket must hold for an endpoint."""

    endpoint: str
    place: Held


@dataclass(frozen=True, slots=True)
class WantedLimit:
    """A limit of the rate at which ``link`` sends, for an endpoint.

    Frames that come in by the link ``source``, unless it is "", go out by ``link`` first (``netlink.limits``).
    """

    endpoint: str
    link: str
    bucket: Bucket
    source: str = ""


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link that networks share, with its settings: made for the first endpoint that wants it."""

    link: WantedLink
    settings: tuple[WantedSetting, ...]


@dataclass(frozen=True, slots=True)
class Desired:
    """The state that one network wants of the kernel; ``elements`` has the elements of nftables sets, by owner.

    The links in ``link_local`` need the IPv6 address that the kernel gives to running links by itself. ``host`` has the
    settings that networks share, ``settings`` the settings of its own links. The mode itself keeps the elements of the
    owners in ``kept`` up to date. The endpoints in ``lost`` have lost their links in an earlier boot, and those in
    ``cut`` since, because the parent of their links went.
    """

    network: str
    links: Sequence[WantedLink] = ()
    addresses: Sequence[tuple[str, InterfaceAddress]] = ()
    link_local: Collection[str] = ()
    settings: Sequence[WantedSetting] = ()
    host: Sequence[WantedSetting] = ()
    elements: Mapping[str, Elements] = field(default_factory=dict)
    ports: Sequence[WantedPort] = ()
    limits: Sequence[WantedLimit] = ()
    kept: Collection[str] = ()
    parent: WantedParent | None = None
    lost: Collection[str] = ()
    cut: Collection[str] = ()

    @property
    def clear(self) -> bool:
        """Whether the network could be understood: then it has a link, or a parent."""
        return bool(self.links) or self.parent is not None

    shared: Sequence[SharedLink] = ()
    routes: Sequence[WantedRoute] = ()


@dataclass(frozen=True, slots=True)
class Actual:
    """The state of the kernel: links by name, addresses by link, and the settings that can be read.

    ``buckets`` and ``redirections`` are pynet's limits, by link; they are asked for where some are wanted or left.
    ``routes`` are pynet's routes by link, and ``sources`` the addresses that links have for them, where routes are
    wanted.
    ``vlans`` are those of ports that are to be in some, ``mixed`` their bridges that mix all VLANs. It belongs to one
    comparison, which brings it up to date piece by piece (``look_again``).
    """

    links: dict[str, Link] = field(default_factory=dict)
    addresses: dict[str, Collection[InterfaceAddress]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    held: Container[Held] = frozenset()
    buckets: dict[str, Bucket] = field(default_factory=dict)
    redirections: dict[str, str] = field(default_factory=dict)
    routes: dict[str, Sequence[HostRoute]] = field(default_factory=dict)
    sources: dict[str, Sequence[InterfaceAddress]] = field(default_factory=dict)
    vlans: dict[str, Vlans] = field(default_factory=dict)
    mixed: set[str] = field(default_factory=set)


def read_actual(kernel: Kernel, desired: Sequence[Desired], held: Container[Held]) -> Actual:
    """List all links and all addresses, and read the wanted settings; raises ``KernelError``."""
    addresses: dict[str, Collection[InterfaceAddress]] = {}
    links = {link.name: link for link in kernel.links()}
    for name, address in kernel.addresses(link_local=True):
        addresses[name] = (*addresses.get(name, ()), address)
    actual = Actual(links, addresses, _settings(kernel, links, desired), held)
    _look_at_limits(kernel, actual, desired)
    _look_at_routes(kernel, actual, desired)
    _look_at_vlans(kernel, actual, desired)
    return actual


def look_again(kernel: Kernel, actual: Actual, part: Desired) -> None:
    """Read again the part of ``actual`` that one network wants: a request per link, no dump; raises ``KernelError``."""
    names = [wanted.name for wanted in part.links if not wanted.moves]
    for name in [*names, *([part.parent.name] if part.parent else [])]:
        found = kernel.link(name)
        if found is None:
            actual.links.pop(name, None)
        else:
            actual.links[name] = found
    for name in {name for name, _ in part.addresses}:
        actual.addresses.pop(name, None)
        with suppress(Missing):
            actual.addresses[name] = kernel.addresses_of(name)
    for setting in part.settings:
        actual.settings.pop(setting.path, None)
    actual.settings.update(_settings(kernel, actual.links, [part]))
    _look_at_limits(kernel, actual, [part])
    _look_at_routes(kernel, actual, [part])
    _look_at_vlans(kernel, actual, [part])


def _look_at_limits(kernel: Kernel, actual: Actual, desired: Sequence[Desired]) -> None:
    """Read the limits that are wanted, and those that links show; without any, the kernel is not asked."""
    limits = [limit for part in desired for limit in part.limits]
    ends = [wanted.name for part in desired for wanted in part.links if wanted.endpoint and wanted.name in actual.links]
    asked = {limit.link for limit in limits} | {name for name in ends if actual.links[name].limited}
    sources = {limit.source for limit in limits if limit.source}
    for found in (actual.buckets, actual.redirections):
        for name in asked | sources:
            found.pop(name, None)
    if asked:
        actual.buckets.update(kernel.buckets(asked))
    if sources:
        actual.redirections.update(kernel.redirections(sources))


def _look_at_vlans(kernel: Kernel, actual: Actual, desired: Sequence[Desired]) -> None:
    """Read the VLANs of ports that are to be in some, and ask about their bridges; without any nothing is asked."""
    ports = [link for part in desired for link in part.links if link.port and link.port.tags]
    for link in ports:
        actual.vlans.pop(link.name, None)
        with suppress(Missing, NotSupported):  # before Linux 5.6 nobody can list those of one port
            actual.vlans[link.name] = kernel.vlans_of(link.name)
    for bridge in {link.master for link in ports}:
        actual.mixed.discard(bridge)
        with suppress(Missing, NotSupported):
            if not kernel.tells_vlans(bridge):
                actual.mixed.add(bridge)


def _look_at_routes(kernel: Kernel, actual: Actual, desired: Sequence[Desired]) -> None:
    """Read the routes by each link by which some are wanted, and the addresses that may be their sources."""
    wanted = [route for part in desired for route in part.routes]
    for link in {route.link for route in wanted}:
        actual.routes.pop(link, None)
        with suppress(Missing):
            actual.routes[link] = kernel.host_routes(link)
    for link in {route.source for route in wanted}:
        actual.sources[link] = kernel.source_addresses(link)


def source_for(addresses: Iterable[InterfaceAddress], destination: Address) -> Address | None:
    """Return the source of packets to ``destination``: best of the same subnet, else of the same family."""
    found = [address for address in addresses if address.version == destination.version and not address.is_link_local]
    near = [address for address in found if destination in address.network]
    return next((address.ip for address in [*near, *found]), None)


def _settings(kernel: Kernel, links: Mapping[str, Link], desired: Iterable[Desired]) -> dict[str, str]:
    """Read the wanted settings of the host and of existing links, and the switches of these settings."""
    wanted = [each for part in desired for each in (*part.host, *part.settings) if not each.link or each.link in links]
    found: dict[str, str] = {}
    of_links = defaultdict[str, list[str]](list)
    for setting in wanted:
        if setting.link:
            of_links[setting.link].append(setting.path)
    for name, paths in of_links.items():
        found |= read_settings(paths, links[name].settings)
    for path in {path for setting in wanted for path in (setting.path, setting.switch) if path} - found.keys():
        with suppress(KernelError):
            found[path] = kernel.read_setting(path)
    return found
