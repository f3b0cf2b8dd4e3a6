"""The checks and conversions of requests that both address managers share. No I/O."""

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Interface

from plugin.errors import InvalidRequest
from plugin.options.unicast import unusable
from plugin.protocol.messages import Address, InterfaceAddress, RequestPool, Subnet

LOCAL_SPACE = "pynet-local"
GLOBAL_SPACE = "pynet-global"
ADDRESS_TYPE = "RequestAddressType"  # moby daemon/libnetwork/ipamapi
GATEWAY = "com.docker.network.gateway"
ENDPOINT_NAME = "com.docker.network.endpoint.name"  # sent by 29.0 and later


def names_subnet(request: RequestPool) -> bool:
    """Return whether the user named a subnet; 0.0.0.0/26 names only a size."""
    return request.pool is not None and int(request.pool.network_address) != 0


def purpose_of(options: Mapping[str, str]) -> str:
    """Return the purpose of an address: gateway or endpoint."""
    return "gateway" if options.get(ADDRESS_TYPE) == GATEWAY else "endpoint"


def check_request(request: RequestPool) -> str:
    """Return the name of the address space; raises ``InvalidRequest`` if no pool can satisfy the request."""
    space = request.address_space or LOCAL_SPACE
    if space not in (LOCAL_SPACE, GLOBAL_SPACE):
        raise InvalidRequest(f"address space '{space}' is not known; spaces are: {LOCAL_SPACE}, {GLOBAL_SPACE}")
    pool, sub_pool = request.pool, request.sub_pool
    if pool is not None and pool.version != (6 if request.v6 else 4):
        raise InvalidRequest(f"subnet '{pool}' was asked for as an IPv{6 if request.v6 else 4} pool")
    if pool is not None and pool.prefixlen == 0:
        raise InvalidRequest(f"subnet '{pool}' is every address there is; name a smaller one")
    if pool is not None and names_subnet(request) and (what := unusable(pool)):
        raise InvalidRequest(f"subnet '{pool}' holds {what}, which no container can use")
    if sub_pool is None:
        return space
    if pool is None or int(pool.network_address) == 0:
        raise InvalidRequest(f"range '{sub_pool}' needs a subnet that contains it; give one with --subnet")
    if pool.version != sub_pool.version or not bounds_inside(sub_pool, pool):
        raise InvalidRequest(f"range '{sub_pool}' is not inside subnet '{pool}'")
    return space


def bounds_inside(inner: Subnet, outer: Subnet) -> bool:
    """Return whether ``inner`` is part of ``outer``, of the same IP version."""
    return inner.network_address in outer and inner.broadcast_address in outer


def with_prefix(address: Address, subnet: Subnet) -> InterfaceAddress:
    """Return ``address`` with the prefix length of ``subnet``, the form that the engine expects."""
    if address.version == 4:
        return IPv4Interface((address, subnet.prefixlen))
    return IPv6Interface((address, subnet.prefixlen))
