"""Puts pynet together: one graph of objects for the process that serves, for the dry run, and for the tests."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from functools import partial
from ipaddress import IPv4Address

from netlink.values import dataclass
from plugin.background.beside import Beside, afterwards
from plugin.changes import LiveChanges
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.hosts.titles import HostTitles
from plugin.cluster.names.zone import NetworkZone, OtherHosts
from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import ClusterView, Presence
from plugin.cluster.overlay.shared import Shared, Underlay
from plugin.cluster.overlay.table_sync import TableSync
from plugin.cluster.secrecy.key_ring import KeyRing
from plugin.cluster.secrecy.links import Carriers
from plugin.cluster.secrecy.means import Means
from plugin.cluster.secrecy.records import tunnel_address
from plugin.cluster.secrecy.secrecy import Secrecy, TunnelHost
from plugin.cluster.secrecy.upkeep import SecrecyUpkeep
from plugin.dhcp.leases import Leases
from plugin.dhcp.model import Dhcp4, no_client
from plugin.driver import Driver
from plugin.engine.endpoint_names import EndpointNames
from plugin.engine.names import Names
from plugin.firewall.firewall import LINGER, Firewall
from plugin.firewall.open_flows import OpenFlows
from plugin.host.docker_bridges import is_docker_name
from plugin.host.forwarding import Forwarding
from plugin.host.own_links import OwnLinks
from plugin.host.parents import BOOT, Parents
from plugin.host.reaper import Reaper
from plugin.host.shim import Shims
from plugin.host.sysctls import HostSettings
from plugin.interfaces import Conntrack, DirectRoutes, HostNetworks, Kernel, Nft, PortSockets, Tunnels
from plugin.ipam.driver import Ipam
from plugin.ipam.supernets import Supernet
from plugin.model.link_owner import Owner
from plugin.modes.applier import Applier
from plugin.modes.base import HostParts
from plugin.modes.registry import MODES, Kinds, modes_of
from plugin.network.leased_addresses import LeasedAddresses
from plugin.policy.answers import container_resolvers
from plugin.policy.flows import FlowEnding, Flows
from plugin.policy.lookup import Dns
from plugin.policy.names import AskDns, ResolvedNames
from plugin.protocol.messages import Address, Capabilities, Drop
from plugin.publish.publisher import Publisher
from plugin.reconcile.closing import Closing
from plugin.reconcile.dry_run import DryRun
from plugin.reconcile.reconciler import Reconciler
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.locks import Locks
from plugin.resolver.addresses import ResolverAddresses
from plugin.resolver.counts import QuestionCounts
from plugin.resolver.egress import Egress
from plugin.resolver.server import Server
from plugin.resolver.servers import HostServers
from plugin.resolver.upkeep import Resolver
from plugin.resolver.zone import Zone
from plugin.runtime import Runtime
from plugin.store.base import LocalStore, Record
from plugin.store.memory import MemoryStore

ALONE = Capabilities()  # as the engine is told, each network is of one host
CLOSED = "mode overlay needs a store that the hosts share, and PYNET_STORE names none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The surroundings of pynet: kernel, state, engine and cluster of a host, real or of a test.

    New pools come from ``supernets``; ``drops`` returns how many packets were dropped,
    ``resolvers`` the servers that the engine asks for containers, and ``dhcp`` makes the client of DHCP when a network
    needs it. ``machine`` is the id of the machine, and ``means`` are those of encryption.
    With ``dns`` the resolver runs where networks want it, and asks ``servers``. ``beside`` lets work that only reads
    run at the same time.
    """

    kernel: Kernel
    nft: Nft
    tunnels: Tunnels
    routes: DirectRoutes
    sockets: PortSockets
    conntrack: Conntrack
    networks: HostNetworks
    store: LocalStore
    supernets: Sequence[Supernet] = ()
    names: Names = field(default_factory=Names)
    told: EndpointNames = field(default_factory=EndpointNames)
    locks: Locks = field(default_factory=Locks)
    cluster: ClusterView | None = None
    drops: Callable[[], Sequence[Drop]] = tuple
    ask_dns: AskDns = field(default_factory=Dns)
    resolvers: Callable[[], Collection[Address]] = container_resolvers
    dhcp: Callable[[], Dhcp4] = no_client
    machine: str = ""
    dns: bool = True
    servers: Callable[[], Sequence[str]] = field(default_factory=lambda: HostServers().current)
    means: Means = field(default_factory=Means)
    beside: Beside = afterwards

    @property
    def closed(self) -> str:
        """Why there can be no network over several hosts, "" if there can."""
        return "" if self.cluster else CLOSED


class Pynet:
    """All parts of pynet. Making it does nothing to the host and starts no thread."""

    def __init__(
        self, name: str, host: Host, *, told: Capabilities = ALONE, linger: float = LINGER, kinds: Kinds = MODES
    ) -> None:
        kernel, store, locks, names, owner = host.kernel, host.store, host.locks, host.names, Owner(name)

        # The host: rules, settings, and links that are deleted after the reply.
        self.firewall = firewall = Firewall(host.nft, name, linger, locks)
        self.settings = HostSettings(kernel, store, Forwarding(kernel, store, self.firewall), locks)
        self.reaper = Reaper(OwnLinks(kernel, owner), self.firewall, store, locks)

        # Other hosts: who has which endpoint, and what all agreed on.
        cluster = host.cluster or _no_cluster()
        underlay, agreement = Underlay(kernel, cluster.address), Agreement(cluster.store, cluster.removals)
        self.peers = TableSync(cluster.store, store, host.tunnels, NextHops(host.routes), self.firewall, cluster.host)
        self.presence = Presence(store, cluster, self.peers, locks, underlay.link_local)
        self.zone, self.named = _zone(host, cluster, self.peers), ResolvedNames(store, host.ask_dns)
        self.secrecy, self.secrets = _secrecy(cluster, kernel, host.means, name, underlay)
        shared = Shared(host.tunnels, agreement, self.peers, self.presence, underlay, self.secrecy, host.closed)

        # Networks and ports.
        lan, known = (Parents(kernel, store, owner), Shims(kernel, self.firewall, name, locks)), self.named.addresses
        self.resolver = dns = _resolver(host, self.zone, firewall)
        self.parts = HostParts(kernel, firewall, self.settings, name, shared, *lan, known, host.resolvers, dns.expect)
        self.modes, applier = modes_of(self.parts, kinds), Applier(self.parts)
        self.publisher = Publisher(kernel, host.sockets, self.firewall, host.conntrack, names)

        # The verbs of both protocols.
        own = kernel, store, self.firewall, self.settings, self.publisher, self.reaper, self.modes, applier, locks
        self.runtime = Runtime(*own, Leases(store, host.dhcp), self.resolver.addresses, host.routes, names)
        self.removal = Removal(self.runtime)
        self.leased = LeasedAddresses(self.runtime, self.removal.owners, f"{host.machine}/{name}")
        self.driver = Driver(self.runtime, self.removal, self.leased, told)
        self.ipam = Ipam(store, host.networks, host.supernets, self.reaper.retries)

        # Repairs, and changes on running networks and containers.
        self.survey = Survey(store, kernel, host.routes, self.settings, self.modes, owner)
        self.reconciler = Reconciler(self.runtime, self.survey, self.removal, host.drops, host.beside)
        self.presence.when_taken(Closing(self.runtime, self.survey, self.removal).taken)
        self.dry_run, self.end_flows = DryRun(self.runtime, self.survey), _ending(host, name, self.peers)
        self.live = LiveChanges(self.runtime, self.survey, self.removal, self.ipam, self.end_flows)


def _ending(host: Host, name: str, peers: TableSync) -> Callable[[str, str], object]:
    flows = Flows(host.conntrack, OpenFlows(host.nft, name))
    return FlowEnding(host.store, host.kernel, flows, host.resolvers, peers.far_groups).end


def _zone(host: Host, cluster: ClusterView, peers: TableSync) -> NetworkZone:
    titles = HostTitles(cluster.store).of
    return NetworkZone(host.store, host.told, OtherHosts(peers.watching.names, cluster.lives, cluster.host, titles))


def _resolver(host: Host, zone: Zone, firewall: Firewall) -> Resolver:
    def make(counts: QuestionCounts) -> Server:
        return Server(zone, host.servers, partial(_serves, firewall), Egress(host.store), counts=counts)

    return Resolver(host.store, ResolverAddresses(host.kernel), make, host.servers, wanted=host.dns)


def _serves(firewall: Firewall, link: str) -> bool:
    """Return whether the resolver answers containers behind a bridge."""
    return firewall.owns(link) or is_docker_name(link)


def _secrecy(
    cluster: ClusterView, kernel: Kernel, means: Means, owner: str, underlay: Underlay
) -> tuple[Secrecy, SecrecyUpkeep]:
    """Return the encrypted tunnels of the pynet called ``owner``, and what keeps them."""
    boot = partial(kernel.read_setting, BOOT)
    host = TunnelHost(cluster.host, cluster.address, underlay.secret_mtu, boot, means.days)
    carriers = Carriers(kernel, means.wireguard, owner, tunnel_address(host.host), means.port)
    ring = KeyRing(means.keys, host.wall, host.steady)
    secrecy = Secrecy(cluster.store, cluster.removals, carriers, ring, host)
    return secrecy, SecrecyUpkeep(secrecy, cluster.store, kernel.close)


class Nowhere:
    """Stands in for the cluster store's removals if there is no cluster store any more."""

    def take_back(self, *records: Record) -> bool:
        """Do nothing."""
        del records
        return True

    def keep(self, *records: Record) -> None:
        """Do nothing."""


def _no_cluster() -> ClusterView:
    """Return a cluster without hosts: existing overlay networks can only be removed."""
    return ClusterView(MemoryStore(), Nowhere(), lambda _: False, "", IPv4Address(0))
