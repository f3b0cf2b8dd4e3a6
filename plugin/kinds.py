"""Every kind of record that pynet keeps, so that a check of the store can read them all."""

from plugin.host_settings import ChangedSetting
from plugin.ipam.sticky import NamedAddress
from plugin.ipam.turn import PoolTurn
from plugin.model import Endpoint, Lease, Network, Pool, Tombstone

KINDS = (Network, Endpoint, Tombstone, Pool, Lease, PoolTurn, NamedAddress, ChangedSetting)
