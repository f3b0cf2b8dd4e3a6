"""Every kind of record that pynet keeps, so that a check of the store can read them all."""

from plugin.cluster.host_records import ClusterLease, HostIdentity, PoolUse, Queued
from plugin.collector import KnownEngine
from plugin.host_settings import ChangedSetting
from plugin.ipam.turn import PoolTurn
from plugin.model import Endpoint, Lease, Network, Pool, Tombstone

KINDS = (
    Network,
    Endpoint,
    Tombstone,
    Pool,
    Lease,
    PoolTurn,
    ChangedSetting,
    KnownEngine,
    HostIdentity,
    ClusterLease,
    PoolUse,
    Queued,
)
