"""Rebuilds pools and leases that the store lost from the networks that are known. No I/O.

A pool is not rebuilt if some of its taken addresses are not known, because no address must be given out twice. Requests
for addresses of such a pool are refused with a sentence.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import ip_network

import structlog

from netlink.values import dataclass
from plugin.ipam.requests import LOCAL_SPACE
from plugin.ipam.supernets import Supernet
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.protocol.messages import Address, Subnet
from plugin.store.base import Record

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Use:
    """A subnet of a network, and the owners of its addresses; ``whole`` is false when an endpoint shows no address."""

    subnet: Subnet
    holders: Mapping[Address, str]
    whole: bool


def rebuild_pools(supernets: Sequence[Supernet], records: Sequence[Record]) -> list[Record]:
    """Return the pools and leases that the other ``records`` require and that are not among them."""
    pools = {record.id: record for record in records if isinstance(record, Pool)}
    leases = {record.key for record in records if isinstance(record, Lease)}
    named = {record.pool_id for record in records if isinstance(record, Lease)} - pools.keys()
    made: dict[str, Pool] = {pool.id: pool for pool in map(_named_pool, sorted(named)) if pool is not None}
    for use in _uses(records):
        if not any(pool.subnet == use.subnet for pool in (*pools.values(), *made.values())):
            pool = _chosen_pool(supernets, use)
            made |= {} if pool is None else {pool.id: pool}
    known = {**pools, **made}.values()
    found = [lease for use in _uses(records) for lease in _leases(use, known) if lease.key not in leases]
    return [*made.values(), *found]


def _uses(records: Sequence[Record]) -> Iterator[_Use]:
    endpoints = [record for record in records if isinstance(record, Endpoint)]
    for network in (record for record in records if isinstance(record, Network)):
        mine = [endpoint for endpoint in endpoints if endpoint.network_id == network.id]
        own = [address.ip for endpoint in mine for address in (endpoint.ipv4, endpoint.ipv6) if address is not None]
        whole = all(endpoint.ipv4 or endpoint.ipv6 for endpoint in mine)
        for subnet in network.subnets:
            holders = {address: "endpoint" for address in own if address in subnet.pool}
            holders |= {subnet.gateway.ip: "gateway"} if subnet.gateway is not None else {}
            yield _Use(subnet.pool, holders, whole)


def _named_pool(pool_id: str) -> Pool | None:
    """Return the pool that leases name; its id is SPACE/SUBNET or SPACE/SUBNET/RANGE, both in CIDR notation."""
    words = pool_id.split("/")
    try:
        subnet = ip_network("/".join(words[1:3]))
        return Pool(pool_id, subnet, ip_network("/".join(words[3:5])) if words[3:] else None)
    except ValueError as error:
        log.warning("pool not rebuilt: its id cannot be read", pool=pool_id, error=str(error))
        return None


def _chosen_pool(supernets: Sequence[Supernet], use: _Use) -> Pool | None:
    """Return the pool of a subnet, if pynet itself chose that: it is then a block of a supernet."""
    first = use.subnet.network_address
    own = any(supernet.size == use.subnet.prefixlen and first in supernet.network for supernet in supernets)
    if own and use.whole:
        return Pool(f"{LOCAL_SPACE}/{use.subnet}", use.subnet)
    if own:
        log.warning(
            "pool not rebuilt, as an endpoint does not show its addresses: make the network again",
            subnet=str(use.subnet),
        )
    else:
        log.info("subnet lies in no supernet: taken for another address manager's", subnet=str(use.subnet))
    return None


def _leases(use: _Use, pools: Collection[Pool]) -> Iterator[Lease]:
    for pool in pools:
        if pool.subnet == use.subnet:
            yield from (Lease(pool.id, address, purpose) for address, purpose in use.holders.items())
