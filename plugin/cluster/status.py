"""The state of a cluster: its hosts, the networks they share, and problems."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from functools import cache
from ipaddress import IPv4Address

from netlink.errors import KernelError
from netlink.values import dataclass
from plugin.cluster.addresses.pools import network_of
from plugin.cluster.addresses.records import ClusterLease, PoolUse
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.hosts.membership import HostState, host_states
from plugin.cluster.hosts.ping import watch_lags
from plugin.cluster.hosts.records import HostIdentity, HostTakeover
from plugin.cluster.overlay.directory import Lead, wanted_tables
from plugin.cluster.overlay.forwarding import local_view
from plugin.cluster.overlay.records import Member, Peer
from plugin.interfaces import Tunnels
from plugin.model.names import vxlan_name
from plugin.model.records import Endpoint, Network
from plugin.options.tunnel import is_routed
from plugin.protocol.messages import Countdown
from plugin.store.base import ClusterStore, Record, Store

SETTLE = 1.0  # seconds that a difference must last: some record is always being written to one place and then another


@dataclass(frozen=True, slots=True)
class LocalState:
    """What is in a host's own store: its id, its leases, and the number of removals that wait."""

    host: str = ""
    leases: Sequence[ClusterLease] = ()
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host, its endpoints in shared networks, and the delay of its watch in seconds (None without an answer)."""

    state: HostState
    endpoints: int
    lag: float | None


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """A shared network with its subnets, the names of its hosts, and its endpoints."""

    name: str
    subnets: Sequence[str]
    hosts: Sequence[str]
    endpoints: int


@dataclass(frozen=True, slots=True)
class TakeoverStatus:
    """What becomes of the addresses of a dead ``host`` (its name) in a ``network`` that asks for takeover.

    They are released ``after`` so many seconds; 0 for a host with an earlier pynet, which keeps them. The host that
    answers has missed it for ``gone`` seconds, and releases them in ``left`` seconds; None if it does not wait for it.
    ``by`` is the name of the host that has released them, or "".
    """

    host: str
    network: str
    after: int = 0
    gone: float | None = None
    left: float | None = None
    by: str = ""

    def __str__(self) -> str:
        """Return a sentence."""
        if self.by:
            return (
                f"host '{self.by}' has released what host '{self.host}' held in network '{self.network}'; containers "
                "that still run there are not reached any more"
            )
        if not self.after:
            return f"network '{self.network}' does not take over host '{self.host}', which has a pynet before 0.3"
        if self.gone is None or self.left is None:
            return (
                f"network '{self.network}' releases the addresses of host '{self.host}' when its hosts have missed it "
                f"for {self.after} s"
            )
        return (
            f"network '{self.network}' has missed host '{self.host}' for {self.gone:.0f} s, and takes over its "
            f"addresses in {self.left:.0f} s"
        )


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The whole state; ``problems`` are sentences, none when all is well; ``answer`` are seconds."""

    answer: float
    hosts: Sequence[HostStatus] = ()
    networks: Sequence[NetworkStatus] = ()
    waiting: int = 0
    problems: Sequence[str] = field(default_factory=tuple)
    takeovers: Sequence[TakeoverStatus] = ()


def cluster_status(
    store: ClusterStore,
    read_local: Callable[[], LocalState],
    kinds: Collection[type[Record]] = (),
    countdowns: Sequence[Countdown] = (),
) -> ClusterStatus:
    """Ask the cluster store and, through it, every host that is alive; raises ``StoreAway`` and ``Failed``.

    All records of ``kinds`` are read, to find those that cannot be. ``countdowns`` are those of this host.
    """
    begin = time.monotonic()
    states = host_states(store)
    answer = time.monotonic() - begin
    leases = [item.record for item in store.list(ClusterLease)]
    uses = [item.record for item in store.list(PoolUse)]
    alive = {state.id for state in states if state.alive}
    lags = watch_lags(store, alive) if alive else {}
    counts = Counter(lease.host for lease in leases if lease.host)
    hosts = [HostStatus(state, counts[state.id], lags.get(state.id)) for state in states]
    names = {state.id: state.name for state in states}
    takeovers = _takeovers(store, states, countdowns)
    problems = [
        *_host_problems(hosts),
        *map(str, takeovers),
        *_lease_problems(store, read_local, names),
        *_unread(store, kinds),
    ]
    waiting = read_local().waiting
    if waiting:
        problems.append(f"{waiting} removals of this host wait for the cluster store")
    return ClusterStatus(answer, hosts, _networks(uses, leases, names), waiting, tuple(problems), takeovers)


def _networks(
    uses: Sequence[PoolUse], leases: Sequence[ClusterLease], names: dict[str, str]
) -> Sequence[NetworkStatus]:
    endpoints = Counter(network_of(lease.pool_id) for lease in leases if lease.host)
    found = []
    for name in sorted({network_of(use.pool_id) for use in uses}):
        mine = [use for use in uses if network_of(use.pool_id) == name]
        subnets = sorted({str(use.subnet) for use in mine})
        hosts = sorted({names.get(use.host, use.host) for use in mine})
        found.append(NetworkStatus(name, subnets, hosts, endpoints[name]))
    return found


def _host_problems(hosts: Sequence[HostStatus]) -> Sequence[str]:
    problems = []
    for host in hosts:
        if not host.state.alive:
            problems.append(
                f"host '{host.state.name}' does not renew its lease and holds {host.endpoints} addresses; if it is "
                f"gone for good: pynet cluster forget {host.state.name}"
            )
        elif host.lag is None:
            problems.append(f"host '{host.state.name}' renews its lease and does not hear of changes")
    return problems


def _takeovers(
    store: ClusterStore, states: Sequence[HostState], countdowns: Sequence[Countdown]
) -> Sequence[TakeoverStatus]:
    """Return what was released of each dead host, or will be; the store is read if there is one."""
    dead = {state.id: state.name for state in states if not state.alive}
    if not dead:
        return []
    names = {state.id: state.name for state in states}
    taken = [item.record for item in store.list(HostTakeover) if item.record.host in dead]
    running = {(countdown.host, countdown.network): countdown for countdown in countdowns}
    members = [item.record for item in store.list(Member)]
    asking = {member.network for member in members if member.takeover}
    found = [TakeoverStatus(dead[one.host], one.network, by=names.get(one.by, one.by)) for one in taken]
    for member in members:
        if member.host in dead and member.network in asking:
            countdown = running.get((member.host, member.network))
            seconds = (countdown.gone, countdown.left) if countdown else (None, None)
            found.append(TakeoverStatus(dead[member.host], member.network, member.takeover, *seconds))
    return found


def _unread(store: ClusterStore, kinds: Collection[type[Record]]) -> Sequence[str]:
    """Return a sentence for each record that every host leaves out because it cannot be read."""
    for kind in kinds:
        store.list(kind)
    return [
        f"record {kind.kind} {key!a} is left out by all hosts until somebody mends or removes it: {why}"
        for kind in kinds
        for key, why in sorted(store.set_aside(kind).items())
    ]


def _lease_problems(store: ClusterStore, read_local: Callable[[], LocalState], names: dict[str, str]) -> Sequence[str]:
    def compare() -> Sequence[str]:
        return _lease_drift(read_local(), [item.record for item in store.list(ClusterLease)], names)

    return _lasting(compare, SETTLE)


def _lasting(compare: Callable[[], Sequence[str]], settle: float) -> Sequence[str]:
    """Compare twice, and return the problems that last for ``settle`` seconds."""
    first = compare()
    if not first:
        return []
    time.sleep(settle)
    second = compare()
    return [problem for problem in first if problem in second]


def _lease_drift(local: LocalState, leases: Sequence[ClusterLease], names: dict[str, str]) -> Sequence[str]:
    """Compare the leases in this host's own store with those in the cluster store."""
    theirs = {lease.key: lease for lease in leases}
    problems = []
    for lease in local.leases:
        other = theirs.get(lease.key)
        where = f"address '{lease.address}' of network '{network_of(lease.pool_id)}'"
        if other is None:
            problems.append(f"{where} is used on this host and is not in the cluster store")
        elif other != lease:
            problems.append(
                f"{where} is used on this host and on host '{names.get(other.host, other.host)}', which the "
                "others reach; remove this host's container and create it again"
            )
    mine = {lease.key for lease in local.leases}
    strays = [lease for lease in leases if lease.host and lease.host == local.host and lease.key not in mine]
    return [*problems, *(f"address '{lease.address}' is this host's in the cluster store alone" for lease in strays)]


@dataclass(frozen=True, slots=True)
class Here:
    """The records in this host's own store."""

    identity: HostIdentity
    networks: Sequence[Network]
    endpoints: Sequence[Endpoint]


def table_drift(store: Store, here: Here, tunnels: Tunnels, hops: NextHops, settle: float = SETTLE) -> Sequence[str]:
    """Return a sentence for each entry that is missing, stale or refused, and for tables that cannot be read."""
    return _lasting(lambda: _differences(store, here, tunnels, hops), settle)


def _differences(store: Store, here: Here, tunnels: Tunnels, hops: NextHops) -> list[str]:
    address = here.identity.address or IPv4Address(0)
    problems, list_routes = [], cache(hops.routes.routes)
    for network in here.networks:
        if network.overlay is None:
            continue
        name = network.overlay.network
        endpoints = [endpoint for endpoint in here.endpoints if endpoint.network_id == network.id]
        view = local_view(network, here.identity.id, address)
        found = wanted_tables(
            store.list(Peer, f"{name}/"), store.list(Member, f"{name}/"), endpoints, view, hops.towards
        )
        wanted = set(found.entries)
        try:
            there: set[Lead] = set(tunnels.entries(network.link, vxlan_name(network.id)))
            there |= list_routes().get(network.overlay.vni, set()) if is_routed(network.options) else set()
        except KernelError as error:
            problems.append(f"network '{name}' of this host: {error}")
            continue
        where = f"network '{name}' of this host"
        problems += [f"{where} leaves out {what}: {why}" for what, why in sorted(found.refused.items())]
        problems += [f"{where} lacks the entry {entry}" for entry in sorted(map(str, wanted - there))]
        problems += [f"{where} has the stale entry {entry}" for entry in sorted(map(str, there - wanted))]
    return problems
