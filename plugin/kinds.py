"""Every kind of record that pynet keeps, so that a check of the store can read them all."""

from plugin.cluster.echo import Question, Reply
from plugin.cluster.host_records import (
    Attempt,
    ClusterHost,
    ClusterLease,
    HostIdentity,
    KnownHost,
    PoolGateway,
    PoolUse,
    Queued,
)
from plugin.cluster.records import AddressClaim, ClusterNetwork, Member, Peer, VniClaim
from plugin.collector import KnownEngine
from plugin.ipam.sticky import NamedAddress
from plugin.ipam.turn import PoolTurn
from plugin.model import ChangedSetting, Endpoint, Lease, Network, Pool, Tombstone
from plugin.store.base import Record

_OF_CLUSTERS = (HostIdentity, PoolUse, PoolGateway, ClusterLease, Attempt, Queued)
_OF_ADDRESSES = (Pool, Lease, PoolTurn, NamedAddress)
KINDS = (Network, Endpoint, Tombstone, *_OF_ADDRESSES, ChangedSetting, KnownEngine, *_OF_CLUSTERS)
# Those that stand in a store that hosts share, and never in a host's own.
SHARED_KINDS: tuple[type[Record], ...] = (
    ClusterHost,
    KnownHost,
    Question,
    Reply,
    ClusterNetwork,
    VniClaim,
    Member,
    Peer,
    AddressClaim,
)
KINDS_IN_CLUSTER = (*SHARED_KINDS, Pool, PoolTurn, PoolUse, PoolGateway, ClusterLease)
