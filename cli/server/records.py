"""Every kind of record that pynet keeps, so that a check of the store can read them all."""

from plugin.cluster.addresses.records import ClusterLease, PendingWrite, PoolGateway, PoolUse, QueuedRemoval
from plugin.cluster.hosts.ping import Ping, Pong
from plugin.cluster.hosts.records import ClusterHost, HostIdentity, HostTakeover, KnownHost
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.records import AddressClaim, ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.secrecy.records import HostKeys
from plugin.dhcp.record import DhcpLease
from plugin.ipam.generation import PoolGeneration
from plugin.ipam.sticky import NamedAddress
from plugin.model.records import ChangedSetting, Endpoint, Lease, Network, Pool, Tombstone
from plugin.policy.answers import ResolvedName
from plugin.removal.garbage import KnownEngine
from plugin.store.base import Record

_OF_CLUSTERS = (HostIdentity, PoolUse, PoolGateway, ClusterLease, PendingWrite, QueuedRemoval)
_OF_ADDRESSES = (Pool, Lease, PoolGeneration, NamedAddress)
KINDS = (
    Network,
    Endpoint,
    Tombstone,
    *_OF_ADDRESSES,
    DhcpLease,
    ChangedSetting,
    ResolvedName,
    KnownEngine,
    *_OF_CLUSTERS,
)
# Kinds that are only in the store that hosts share, never in a host's own.
SHARED_KINDS: tuple[type[Record], ...] = (
    ClusterHost,
    KnownHost,
    Ping,
    Pong,
    ClusterNetwork,
    VniClaim,
    Member,
    Peer,
    AddressClaim,
    ClusterName,
    HostTakeover,
    HostKeys,
)
KINDS_IN_CLUSTER = (*SHARED_KINDS, Pool, PoolGeneration, PoolUse, PoolGateway, ClusterLease)
