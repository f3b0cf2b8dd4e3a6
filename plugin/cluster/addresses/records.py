"""Records of the addresses that hosts share; some of them are in a host's own store as well."""

from ipaddress import ip_network
from typing import ClassVar

from netlink.values import dataclass
from plugin.model.flaws import first, name_flaw, text_flaw
from plugin.model.records import Lease, Pool
from plugin.protocol.messages import Address, Subnet

SPACE = "pynet-cluster"  # begins the ids of pools that the cluster shares


def pool_flaw(pool_id: str, address: Address) -> str:
    """Return why a pool id is not "NETWORK/SUBNET" with ``address`` in the subnet, or ""."""
    network, _, subnet = pool_id.partition("/")
    try:
        inside = address in ip_network(subnet)
    except ValueError:
        return f"{subnet!a} is not a subnet"
    return first(name_flaw("network", network), "" if inside else f"{address} is not in the subnet {subnet}")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A network of a host that takes its addresses from a pool; the pool is removed with its last use.

    ``pool_id`` is "NETWORK/SUBNET"; ``token`` distinguishes the uses of one host, so that a repeated call does not end
    the use of another network.
    """

    kind: ClassVar[str] = "cluster-pool-use"

    pool_id: str
    host: str
    token: str
    subnet: Subnet
    sub_pool: Subnet | None = None

    @property
    def key(self) -> str:
        """Pool, host and token, so that a prefix lists a pool's uses."""
        return f"{self.pool_id}@{self.host}/{self.token}"

    @property
    def flaw(self) -> str:
        return first(
            text_flaw(self), name_flaw("host", self.host), pool_flaw(self.pool_id, self.subnet.network_address)
        )


@dataclass(frozen=True, slots=True)
class PoolGateway:
    """The gateway of a pool: the same address on every host, which is the gateway of its own containers."""

    kind: ClassVar[str] = "cluster-gateway"

    pool_id: str
    address: Address

    @property
    def key(self) -> str:
        return self.pool_id

    @property
    def flaw(self) -> str:
        return first(text_flaw(self), pool_flaw(self.pool_id, self.address))


@dataclass(frozen=True, slots=True)
class ClusterLease:
    """An address that an endpoint of ``host`` has; ``host`` is empty for the gateway, which belongs to the pool.

    ``token`` is new for each request: one whose outcome is not known can take back its own record and no other.
    """

    kind: ClassVar[str] = "cluster-lease"

    pool_id: str
    address: Address
    host: str
    token: str
    purpose: str = "endpoint"
    name: str = ""

    @property
    def key(self) -> str:
        """Pool id and address, so that a prefix lists a pool's leases."""
        return f"{self.pool_id}#{self.address}"

    @property
    def flaw(self) -> str:
        return first(text_flaw(self), pool_flaw(self.pool_id, self.address))


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """In the host's own store: a request is about to write a record with this token into the cluster store.

    If a crash leaves it, the cluster store may have a record of ``record_kind`` that was never given out.
    """

    kind: ClassVar[str] = "cluster-attempt"

    token: str
    record_kind: str

    @property
    def key(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True)
class QueuedRemoval:
    """In the host's own store: a removal that has not reached the cluster store yet; ``number`` gives the order.

    ``body`` is the record as JSON, if only this record is to be removed, or "" for any; ``expect`` is a revision or
    None.
    """

    kind: ClassVar[str] = "outbox"

    number: int
    record_kind: str
    record_key: str
    body: str = ""
    expect: int | None = None

    @property
    def key(self) -> str:
        """The number, with zeros in front so that a listing is in order."""
        return f"{self.number:012}"


Reserved = Pool | Lease | PoolUse | ClusterLease  # the pools and addresses that the engine has from this host
