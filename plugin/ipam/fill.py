"""Counts the addresses that are taken in the subnets of networks."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from plugin.ipam.allocator import usable
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.protocol.messages import Address, Subnet
from plugin.protocol.own_messages import Fill


def fills(
    networks: Sequence[Network], endpoints: Iterable[Endpoint], pools: Iterable[Pool], leases: Iterable[Lease]
) -> tuple[Fill, ...]:
    """Return one fill per pool of pynet, and one per subnet that the engine's own address manager keeps.

    Of the latter pynet knows the addresses of containers and gateways, but not the range for containers.
    """
    names = {subnet.pool: network.id for network in networks for subnet in network.subnets}
    by_pool: dict[str, list[Address]] = defaultdict(list)
    for lease in leases:
        if not lease.kept_until or lease.kept_until > time.time():
            by_pool[lease.pool_id].append(lease.address)
    kept = list(pools)
    found = [_fill(names.get(pool.subnet, ""), pool.subnet, pool.sub_pool, by_pool[pool.id]) for pool in kept]
    ours = {pool.subnet for pool in kept}
    ends: dict[str, list[Endpoint]] = defaultdict(list)
    for end in endpoints:
        ends[end.network_id].append(end)
    for network in networks:
        for subnet in network.subnets:
            if subnet.pool not in ours:
                others = [subnet.gateway, *subnet.aux_addresses.values()]
                taken = [*_addresses(ends[network.id], subnet.pool), *(address.ip for address in others if address)]
                found.append(_fill(network.id, subnet.pool, None, taken))
    return tuple(found)


def _fill(network: str, subnet: Subnet, within: Subnet | None, taken: Iterable[Address]) -> Fill:
    first, last = usable(subnet, within)
    return Fill(network, within or subnet, sum(first <= int(one) <= last for one in set(taken)), last - first + 1)


def _addresses(endpoints: Iterable[Endpoint], pool: Subnet) -> Iterator[Address]:
    for end in endpoints:
        yield from (interface.ip for interface in (end.ipv4, end.ipv6) if interface and interface.ip in pool)
