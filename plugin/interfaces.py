"""Protocols of the things outside of the plugin; each has a real and an in-memory implementation."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import Any, Protocol

from netlink.bridge_port import BridgePort
from netlink.bridge_vlan import Vlans
from netlink.conntrack import TrackedFlow, UdpPort
from netlink.counters import Counted
from netlink.direct_routes import DirectRoute, FoundRoute
from netlink.errors import KernelError
from netlink.host_routes import HostRoute
from netlink.lan_links import ChildLink
from netlink.limits import Bucket
from netlink.links import Link
from netlink.nft_elements import Element, NamedSet
from netlink.port_sockets import PortSocket, Target
from netlink.statistics import LinkCounts
from netlink.veth import VethPair
from netlink.vxlan import Entry, VxlanLink
from netlink.wireguard import WireGuardPeer, WireGuardState
from plugin.protocol.messages import Address, InterfaceAddress, Subnet


class HostNetworks(Protocol):
    """The subnets and addresses that the host already uses, so that pools and containers keep clear of them."""

    def in_use(self, within: Collection[Subnet] | None = None) -> Sequence[Subnet]:
        """Return the subnets and nameservers; with ``within`` only those that overlap one of these."""

    def new_in_use(self, within: Collection[Subnet]) -> Sequence[Subnet] | None:
        """Return those that came since the last call, some perhaps again; None if ``in_use`` must be asked instead."""

    def has(self, address: Address) -> bool:
        """Return whether an address is the host's own; may raise ``KernelError``."""


class Links(Protocol):
    """Links (``netlink.links.Links``). Every verb may raise ``KernelError``."""

    def links(self, *, kind: str = "", master: int = 0) -> list[Link]:
        """Return every link, or those of a kind, or those with a master, by its index."""

    def link(self, name: str) -> Link | None:
        """Return the link that has that name, None without one; no other is looked at."""

    def link_exists(self, name: str) -> bool:
        """Return whether a link has that name."""

    def add_bridge(self, name: str, mac: str, mtu: int) -> None:
        """Make a bridge that is down; ``Exists`` when the name is taken."""

    def add_veth(self, pair: VethPair) -> None:
        """Make a veth pair with one end in a bridge; ``Exists`` when a name is taken."""

    def finish_link(self, name: str, alias: str, settings: Mapping[str, str]) -> None:
        """Give a new link its alias and sysctls, by path (IPv6 where the link has it), and set it up."""

    def set_alias(self, name: str, alias: str) -> None:
        """Write the alias of a link."""

    def set_up(self, name: str) -> None:
        """Set a link up."""

    def set_down(self, name: str) -> None:
        """Set a link down."""

    def set_mac(self, name: str, mac: str) -> None:
        """Give a link another MAC."""

    def set_mtu(self, name: str, mtu: int) -> None:
        """Give a link another MTU, in bytes."""

    def set_master(self, name: str, bridge: str) -> None:
        """Put a link into a bridge, out of any other."""

    def set_port(self, name: str, port: BridgePort, gone: Collection[str] = ()) -> None:
        """Give a port of a bridge its flags and its static forwarding entries, and delete those of MACs ``gone``."""

    def set_hairpin(self, name: str) -> None:
        """Let a bridge send frames back out of the port NAME."""

    def delete_link(self, link: Link) -> None:
        """Delete a link, known by its index; ``Missing`` when it is gone."""

    def delete_links(self, links: Sequence[Link]) -> None:
        """Delete links in one go, known by their indices, passing over those that are gone."""


class Addresses(Protocol):
    """Addresses and default routes (``netlink.addresses.Addresses``). Every verb may raise ``KernelError``."""

    def add_address(self, name: str, address: InterfaceAddress) -> None:
        """Give a link an address; ``Exists`` when it has it."""

    def delete_address(self, name: str, address: InterfaceAddress) -> None:
        """Take an address from a link; ``Missing`` when it is not there."""

    def addresses(self, *, link_local: bool = False) -> list[tuple[str, InterfaceAddress]]:
        """Return (link, address) of every address, link-local ones only when asked for."""

    def addresses_of(self, name: str) -> list[InterfaceAddress]:
        """Return the addresses of one link, link-local ones too; ``Missing`` without the link."""

    def ipv6_default_routes(self) -> list[tuple[str, bool]]:
        """Return (link, whether a router advertised it) of each IPv6 default route."""

    def uplinks(self) -> Collection[str]:
        """Return the links by which the host reaches the internet."""


class Gso(Protocol):
    """The largest packets of links (``netlink.gso.Gso``). Every verb may raise ``KernelError``."""

    def takes_gso(self) -> bool:
        """Return whether links can have packets above 64 kB."""

    def set_gso(self, name: str, size: int) -> None:
        """Give a link another largest packet, in bytes."""


class RateLimits(Protocol):
    """Limits of rates (``netlink.limits.RateLimits``). Every verb may raise ``KernelError``.

    Those that make something raise ``NotSupported`` where the kernel lacks a part.
    """

    def buckets(self, names: Collection[str]) -> dict[str, Bucket]:
        """Return pynet's token buckets of the links ``names``, by link."""

    def set_bucket(self, name: str, bucket: Bucket) -> None:
        """Limit the rate at which a link sends, or change its limit."""

    def delete_bucket(self, name: str) -> None:
        """End the limit of a link, if pynet set it."""

    def redirections(self, names: Collection[str]) -> dict[str, str]:
        """Return by link the links to which frames that come in by the links ``names`` are redirected."""

    def redirect(self, name: str, to: str) -> None:
        """Redirect all frames that come in by a link; ``Missing`` without one of the links."""

    def end_redirect(self, name: str) -> None:
        """End the redirection that pynet set."""

    def add_ifb(self, name: str, gso: int = 0) -> None:
        """Make a link for redirected frames that is down; ``Exists`` when the name is taken."""

    def try_buckets(self) -> None:
        """Raise ``NotSupported`` if links cannot have token buckets; nothing is changed."""


class LanLinks(Protocol):
    """Children and VLANs of links of the host (``netlink.lan_links.LanLinks``). Every verb may raise ``KernelError``.

    Those that make something raise ``NotSupported`` where the kernel lacks the kind.
    """

    def add_child(self, child: ChildLink) -> None:
        """Make a child that is down; ``Exists`` when the name is taken, ``InUse`` when the parent has another use."""

    def add_vlan(self, name: str, parent: str, vlan_id: int) -> None:
        """Make a VLAN of a link that is down; ``Exists`` when the name or the VLAN is taken."""

    def add_stub(self, name: str, mac: str, mtu: int) -> None:
        """Make a link without a wire that is down, with an MTU in bytes; ``Exists`` when the name is taken."""

    def link_at(self, index: int) -> Link | None:
        """Return the link that has that index, None without one."""

    def try_child(self, name: str) -> None:
        """Set a child that nobody uses up and down again; ``Exists`` when another link of the parent has its MAC."""

    def has_kind(self, kind: str) -> bool:
        """Return whether the kernel can make children of ``kind``; nothing is made."""

    def is_wireless(self, name: str) -> bool:
        """Return whether a link is a station of a wireless LAN."""


class BridgeVlans(Protocol):
    """VLANs of bridges (``netlink.bridge_vlan.BridgeVlans``), whose ports get theirs with ``Links.set_port``.

    Every verb may raise ``KernelError``, and ``NotSupported`` where the kernel has none.
    """

    def tells_vlans(self, bridge: str) -> bool:
        """Return whether a bridge tells VLANs apart."""

    def vlans_of(self, port: str) -> Vlans:
        """Return the VLANs that a port is in."""


class NeighbourRoutes(Protocol):
    """Routes of the host to single addresses (``netlink.host_routes``). Every verb may raise ``KernelError``."""

    def set_host_route(self, link: str, route: HostRoute) -> None:
        """Set a route by a link, in the place of pynet's own; ``Exists`` when somebody else has one there."""

    def delete_host_route(self, link: str, to: Address) -> None:
        """Delete a route; what is gone is passed over; ``Missing`` without the link."""

    def host_routes(self, link: str) -> list[HostRoute]:
        """Return pynet's routes by a link; ``Missing`` without the link."""

    def end_answers(self, link: str) -> None:
        """Stop answering for addresses that are the source of no route by a link; ``Missing`` without it."""

    def source_addresses(self, link: str) -> list[InterfaceAddress]:
        """Return the addresses that routes can have as their source, best first; none without the link."""


class Sysctls(Protocol):
    """Sysctls, by their paths below /proc/sys (``netlink.sysctl.Sysctls``). Every verb may raise ``KernelError``."""

    def read_setting(self, path: str) -> str:
        """Return a sysctl."""

    def write_setting(self, path: str, value: str) -> None:
        """Set a sysctl."""


class Kernel(Links, Addresses, Gso, RateLimits, LanLinks, BridgeVlans, NeighbourRoutes, Sysctls, Protocol):
    """Links, addresses, sizes of packets, limits, children, routes and sysctls (``netlink.kernel.Kernel``)."""

    def close(self) -> None:
        """Close the socket of this thread."""


class Counters(Protocol):
    """Counters that packets fill in sets of nftables (``netlink.counters.Counters``)."""

    def counted(self, family: str, table: str, name: str) -> Sequence[Counted]:
        """Return the elements of a set that count packets; ``Missing`` without the set."""


class Statistics(Protocol):
    """Counters of links and of elements (``netlink.statistics.Statistics``). Verbs may raise ``KernelError``."""

    def links(self, names: Iterable[str]) -> Mapping[str, LinkCounts]:
        """Return the counts of links, without those that are gone."""

    def counted(self, table: str, of: NamedSet) -> Mapping[bytes, int]:
        """Return the packets that found each element of a counted set, packed; ``Missing`` without the set."""


class Tunnels(Protocol):
    """Links to other hosts and their tables (``netlink.vxlan.Vxlan``). Every verb may raise ``KernelError``."""

    def add_vxlan(self, link: VxlanLink) -> None:
        """Make a VXLAN link that is down in a bridge; ``Exists`` when the name or the VNI is taken."""

    def change(
        self, bridge: str, link: str, add: Collection[Entry], delete: Collection[Entry] = ()
    ) -> Mapping[Entry, KernelError]:
        """Write and delete entries, and return those that the kernel refused; ``Missing`` without the links."""

    def source(self, link: str) -> Address | None:
        """Return the address from which a VXLAN link sends; None without such a link."""

    def entries(self, bridge: str, link: str) -> set[Entry]:
        """Return the entries of the tables; ``Missing`` without the links."""

    def close(self) -> None:
        """Close the socket of this thread."""


class RouteBell(Protocol):
    """Rings when the way to other hosts may have changed (``netlink.underlay_bell``)."""

    def wait(self, seconds: float, links: Collection[str]) -> frozenset[str]:
        """Wait up to ``seconds``; return ``ROUTES`` or ``LOST`` or both if one of ``links`` or a route changed."""

    def close(self) -> None:
        """Stop listening."""


class DirectRoutes(Protocol):
    """Routes to containers of other hosts (``netlink.direct_routes``). Every verb may raise ``KernelError``."""

    def ways(self, addresses: Iterable[Address]) -> dict[Address, FoundRoute]:
        """Return how the kernel reaches other hosts, without those that it does not reach."""

    def change_routes(
        self, metric: int, add: Collection[DirectRoute], delete: Collection[DirectRoute]
    ) -> Mapping[DirectRoute, KernelError]:
        """Write and delete routes of the network with ``metric``, and return those that the kernel refused."""

    def routes(self) -> Mapping[int, Set[DirectRoute]]:
        """Return the routes of all networks, by metric."""

    def announce(self, link: str, mac: str, addresses: Iterable[Address]) -> None:
        """Tell machines on ``link`` that the addresses are at ``mac`` by now."""

    def listen(self) -> RouteBell:
        """Hear from now on of changes on the way to other hosts."""

    def close(self) -> None:
        """Close the socket of this thread."""


class WireGuards(Protocol):
    """WireGuard links (``netlink.wireguard.WireGuards``). Every verb may raise ``KernelError``."""

    def try_wireguard(self) -> None:
        """Raise ``NotSupported`` if the kernel has no WireGuard; nothing is made."""

    def add_wireguard(self, name: str, mtu: int) -> None:
        """Make a link that is down; ``Exists`` when the name is taken."""

    def set_key(self, name: str, private: bytes, port: int) -> None:
        """Give a link its private key and UDP port; ``Exists`` when the port is taken."""

    def state(self, name: str) -> WireGuardState:
        """Return key, port, peers and handshakes of a link; ``Missing`` without it."""

    def set_peers(self, name: str, add: Collection[WireGuardPeer], remove: Collection[str] = ()) -> None:
        """Remove peers by their public keys, then add or change others, and greet these."""

    def nudge(self, name: str, publics: Sequence[str]) -> None:
        """Greet peers, which begins a handshake where there is no session."""

    def lead(self, name: str, to: Collection[Address]) -> None:
        """Route to addresses by a link, in the place of other routes."""

    def end_lead(self, name: str, to: Collection[Address]) -> None:
        """Delete such routes, passing over those that are gone."""

    def led(self, name: str) -> set[Address]:
        """Return the addresses to which such routes lead; ``Missing`` without the link."""


class PortSockets(Protocol):
    """Holds ports (``netlink.port_sockets.PortSockets``); ``held`` is the number of sockets."""

    held: int

    @property
    def most(self) -> int:
        """The number of sockets that may be held."""

    def hold(
        self, proto: int, address: Address, port: int, relay_to: Target | None = None, *, dual: bool = False
    ) -> PortSocket:
        """Take a port, 0 for any free one; ``dual``: of ``::`` and of 0.0.0.0 with one socket.

        Raises:
            KernelError: ``Exists`` when it is taken, ``Missing`` when the address is not there.
        """

    def users(self, proto: int, port: int) -> Iterable[Address]:
        """Return the addresses on which a process has the port, as far as known."""

    def serve(self, ports: Iterable[PortSocket]) -> None:
        """Begin to relay connections on the ports that were held for relaying."""

    def release(self, ports: Iterable[PortSocket]) -> None:
        """Give ports back."""


class Conntrack(Protocol):
    """Connection tracking (``netlink.conntrack.Conntrack``)."""

    def forget_udp(self, ports: Collection[UdpPort]) -> int:
        """Forget UDP flows that went, or would now go, through one of ``ports``; return how many."""

    def forget(self, doomed: Callable[[TrackedFlow], bool]) -> int:
        """Forget every flow for which ``doomed`` returns true; return how many."""


class Nft(Protocol):
    """nftables (``netlink.nftables.Nftables``). Every verb may raise ``KernelError``."""

    def apply(self, text: str) -> None:
        """Apply nft text as one transaction: all of it or nothing."""

    def check(self, text: str) -> None:
        """Raise the error that ``apply`` would raise for ``text``, and change nothing."""

    def exists(self, table: str) -> bool:
        """Return whether both tables called ``table`` are there, also when nft cannot be asked."""

    def generation(self) -> int:
        """Return a number that every change of any table by another program raises."""

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        """Delete and add elements of sets as one transaction; ``Missing`` when what they name is not there."""

    def list(self, what: str) -> Sequence[dict[str, Any]]:
        """Return nft's JSON objects of a listing; ``Missing`` when there is no such thing."""

    def static_parts(self, table: str) -> Sequence[bytes]:
        """Return the rules and sets of both tables called ``table``, without elements; ``Missing`` without one."""

    def elements_of(self, table: str, of: NamedSet) -> Sequence[bytes]:
        """Return the elements of a set, packed; ``Missing`` when there is no such table or set."""
