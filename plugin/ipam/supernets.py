"""Chooses a pool when the user names none: the next free block of the configured supernets. No I/O."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from netlink.ip import Subnet
from netlink.values import dataclass
from plugin.errors import Exhausted, InvalidRequest
from plugin.ipam.intervals import Intervals, free_block

NO_POOLS = "all predefined address pools have been fully subnetted"  # the text of Docker's own (moby ipamapi)
NAMED_AT_MOST = 3  # host networks in an error text


@dataclass(frozen=True, slots=True)
class Supernet:
    """A range that is cut into pools of prefix length ``size``."""

    network: Subnet
    size: int


# 2,048 pools each; the second is for hosts whose VPN routes all of 10.0.0.0/8.
DEFAULT_IPV4 = (Supernet(IPv4Network("10.200.0.0/13"), 24), Supernet(IPv4Network("172.24.0.0/13"), 24))


def default_ipv6(machine_id: str) -> Supernet:
    """Return the /48 of unique local addresses (RFC 4193) of a machine, cut into /64.

    ``machine_id`` is the text of /etc/machine-id: the same host always gets the same range, two hosts almost never.
    """
    digest = hashlib.sha256(machine_id.strip().encode()).digest()
    prefix = b"\xfd" + digest[:5]
    return Supernet(IPv6Network((prefix.ljust(16, b"\0"), 48)), 64)


def parse_supernets(text: str, machine_id: str) -> tuple[Supernet, ...]:
    """Read supernets, "CIDR:LENGTH" separated by commas; a family without one gets its default.

    Raises:
        InvalidRequest: an entry cannot be read; the text names it.
    """
    found = [_parse_supernet(entry.strip()) for entry in text.split(",") if entry.strip()]
    versions = {supernet.network.version for supernet in found}
    if 4 not in versions:
        found.extend(DEFAULT_IPV4)
    if 6 not in versions:
        found.append(default_ipv6(machine_id))
    return tuple(found)


def _parse_supernet(entry: str) -> Supernet:
    # The last colon is the separator: the others belong to an IPv6 prefix.
    prefix, colon, length = entry.rpartition(":")
    if not colon or "/" not in prefix:
        raise InvalidRequest(f"read supernet '{entry}': it is not of the form 10.200.0.0/13:24")
    try:
        network = ip_network(prefix)
    except ValueError as error:
        raise InvalidRequest(f"read supernet '{entry}': {error}") from error
    if not (length.isascii() and length.isdigit() and network.prefixlen <= int(length) <= network.max_prefixlen):
        raise InvalidRequest(
            f"read supernet '{entry}': '{length}' is not a prefix length between {network.prefixlen} and "
            f"{network.max_prefixlen}"
        )
    return Supernet(network, int(length))


@dataclass(frozen=True, slots=True)
class WantedPool:
    """A request for a pool of IP ``version``, with the supernet's size or with prefix length ``size``."""

    version: int
    size: int | None = None

    def describe(self) -> str:
        """Return the request as words for an error text."""
        return f"IPv{self.version} pool" if self.size is None else f"IPv{self.version} pool of size /{self.size}"


def networks_of(supernets: Iterable[Supernet], version: int) -> list[Subnet]:
    """Return the ranges of an IP version; networks of the host outside of them do not matter for the choice."""
    return [supernet.network for supernet in supernets if supernet.network.version == version]


def choose_pool(
    supernets: Sequence[Supernet],
    wanted: WantedPool,
    pools: Iterable[Subnet],
    reserved: Iterable[Subnet],
    last: Subnet | None,
) -> Subnet:
    """Return a pool as ``find_pool`` does, which overlaps neither ``pools`` (pynet's) nor ``reserved`` (the host's).

    Raises:
        InvalidRequest: no supernet is large enough for the wanted size.
        Exhausted: every block is taken.
    """
    pools = [pool for pool in pools if pool.version == wanted.version]
    reserved = [network for network in reserved if network.version == wanted.version]
    taken = Intervals.of(bounds(network) for network in [*pools, *reserved])
    found = find_pool(supernets, wanted, [taken], last)
    if found is None:
        raise Exhausted(_nothing_left(_usable(supernets, wanted), wanted, pools, reserved))
    return found


def find_pool(
    supernets: Sequence[Supernet], wanted: WantedPool, taken: Collection[Intervals], last: Subnet | None
) -> Subnet | None:
    """Return the first block behind ``last`` that is free in each of ``taken``, going round the supernets; or None.

    Raises:
        InvalidRequest: no supernet is large enough for the wanted size.
    """
    usable = _usable(supernets, wanted)
    if not usable:
        raise InvalidRequest(f"find an {wanted.describe()}: no supernet is that large; {_hint(supernets, wanted)}")
    for first, final, supernet in _spans(usable, last):
        width = 1 << (supernet.network.max_prefixlen - supernet.size)
        block = free_block(taken, first, final, width)
        if block is not None:
            return type(supernet.network)((block, supernet.size))
    return None


def _usable(supernets: Sequence[Supernet], wanted: WantedPool) -> list[Supernet]:
    return [
        Supernet(supernet.network, supernet.size if wanted.size is None else wanted.size)
        for supernet in supernets
        if supernet.network.version == wanted.version
        and (wanted.size is None or wanted.size >= supernet.network.prefixlen)
    ]


def _spans(supernets: Sequence[Supernet], last: Subnet | None) -> Iterator[tuple[int, int, Supernet]]:
    """Yield the ranges to search: from ``last`` to the end of its supernet, the others, then that supernet again."""
    ranges = [(*bounds(supernet.network), supernet) for supernet in supernets]
    behind = -1 if last is None else int(last.broadcast_address) + 1
    for at, (first, final, supernet) in enumerate(ranges):
        if first < behind <= final + 1:
            yield behind, final, supernet
            yield from ranges[at + 1 :]
            yield from ranges[: at + 1]
            return
    yield from ranges


def bounds(network: Subnet) -> tuple[int, int]:
    """Return the first and the last address of a network as numbers."""
    first = int(network.network_address)
    return first, first + (1 << (network.max_prefixlen - network.prefixlen)) - 1


def _nothing_left(
    supernets: Sequence[Supernet], wanted: WantedPool, pools: Sequence[Subnet], reserved: Sequence[Subnet]
) -> str:
    ranges = Intervals.of(bounds(supernet.network) for supernet in supernets)
    own = Intervals.of(bounds(pool) for pool in pools)
    count = sum(ranges.overlap(*bounds(pool)) is not None for pool in pools)
    hosts = sorted(
        {net for net in reserved if ranges.overlap(*bounds(net)) and not own.covers(*bounds(net))},
        key=lambda net: (net.prefixlen, int(net.network_address)),
    )
    named = ", ".join(f"'{network}'" for network in hosts[:NAMED_AT_MOST])
    more = f" and {len(hosts) - NAMED_AT_MOST} more" if len(hosts) > NAMED_AT_MOST else ""
    covered = f" and the host uses {named}{more}" if hosts else ""
    sizes = ", ".join(f"'{supernet.network}' in blocks of /{supernet.size}" for supernet in supernets)
    return (
        f"{NO_POOLS}: no free {wanted.describe()} is left in {sizes}: {count} pools are taken{covered}; "
        "PYNET_POOLS adds supernets"
    )


def _hint(supernets: Sequence[Supernet], wanted: WantedPool) -> str:
    names = ", ".join(f"'{supernet.network}'" for supernet in supernets if supernet.network.version == wanted.version)
    return f"they are {names or 'none'}, and PYNET_POOLS adds others"
