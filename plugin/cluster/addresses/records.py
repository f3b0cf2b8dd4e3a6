"""Records of the addresses that hosts share; some of them are in a host's own store as well."""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import ClassVar

from plugin.model.flaws import first, name_flaw, text_flaw
from plugin.model.records import Lease, Pool
from plugin.protocol.messages import Address, Subnet


def pool_flaw(pool_id: str, address: Address) -> str:
    """Look whether a pool is "NETWORK/SUBNET" with ``address`` in the subnet."""
    network, _, subnet = pool_id.partition("/")
    try:
        inside = address in ip_network(subnet)
    except ValueError:
        return f"{subnet!a} is no subnet"
    return first(name_flaw("network", network), "" if inside else f"{address} is not in the subnet {subnet}")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A network of a host that takes its addresses from a pool; the pool goes with its last use.

    ``pool_id`` is "NETWORK/SUBNET"; ``token`` tells the uses of one host apart, so that a call that comes twice does
    not end the use of another network.
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
        """What cannot be in it."""
        return first(
            text_flaw(self), name_flaw("host", self.host), pool_flaw(self.pool_id, self.subnet.network_address)
        )


@dataclass(frozen=True, slots=True)
class PoolGateway:
    """The gateway of a pool: one address, that of every host for its own containers."""

    kind: ClassVar[str] = "cluster-gateway"

    pool_id: str
    address: Address

    @property
    def key(self) -> str:
        """The pool id."""
        return self.pool_id

    @property
    def flaw(self) -> str:
        """What cannot be in it."""
        return first(text_flaw(self), pool_flaw(self.pool_id, self.address))


@dataclass(frozen=True, slots=True)
class ClusterLease:
    """An address that an endpoint of ``host`` holds; nobody's but the pool's when ``host`` is empty (the gateway's).

    ``token`` is new for each request: a request whose outcome is not known can take back what it wrote, and no more.
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
        """What cannot be in it."""
        return first(text_flaw(self), pool_flaw(self.pool_id, self.address))


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A request that is about to write ``record_kind`` with its token into the cluster store, in the host's own store.

    One that a crash left says what the cluster store may hold that nobody was ever given.
    """

    kind: ClassVar[str] = "cluster-attempt"

    token: str
    record_kind: str

    @property
    def key(self) -> str:
        """The token."""
        return self.token


@dataclass(frozen=True, slots=True)
class Queued:
    """A removal that has yet to reach the cluster store, in the host's own store; ``number`` gives the order.

    ``body`` is the record as JSON that is to be removed and no other, "" for whatever stands there; ``expect`` is a
    revision or None.
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


Reserved = Pool | Lease | PoolUse | ClusterLease  # what an address manager of this host has given to the engine
