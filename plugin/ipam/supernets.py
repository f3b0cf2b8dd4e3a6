"""Where new pools come from: supernets, cut into pools of one length, clear of everything that is in use."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from plugin.errors import Exhausted, InvalidRequest
from plugin.messages import Subnet

DEFAULT_IPV4 = "10.200.0.0/13:24,172.24.0.0/13:24"  # 2,048 pools each; the second for hosts whose VPN routes 10/8
ULA_LENGTH, IPV6_POOL_LENGTH = 48, 64  # RFC 4193: fd, 40 bits of a global id, 16 bits of subnets


@dataclass(frozen=True, slots=True)
class Supernet:
    """A range that pools of ``length`` are cut from."""

    subnet: Subnet
    length: int


def read_supernets(text: str, machine_id: str) -> tuple[Supernet, ...]:
    """Read ``CIDR:LENGTH,…``; a family that is not mentioned has its default.

    Raises:
        InvalidRequest: a part is no such thing.
    """
    given = [_read(part.strip()) for part in text.split(",") if part.strip()]
    versions = {supernet.subnet.version for supernet in given}
    if 4 not in versions:
        given += [_read(part) for part in DEFAULT_IPV4.split(",")]
    if 6 not in versions:
        given.append(Supernet(unique_local(machine_id), IPV6_POOL_LENGTH))
    return tuple(given)


def unique_local(machine_id: str) -> IPv6Network:
    """Return this host's own /48 (RFC 4193), the same each time."""
    identity = hashlib.sha256(machine_id.encode()).digest()[:5]
    return IPv6Network((b"\xfd" + identity + bytes(10), ULA_LENGTH))


def _read(part: str) -> Supernet:
    cidr, _, length = part.rpartition(":")
    try:
        supernet = Supernet(ip_network(cidr), int(length))
    except ValueError:
        raise InvalidRequest(f"supernet '{part}' must be CIDR:LENGTH, like 10.200.0.0/13:24") from None
    if not supernet.subnet.prefixlen <= supernet.length <= supernet.subnet.max_prefixlen:
        raise InvalidRequest(f"supernet '{part}': pools of /{length} cannot be cut from {cidr}")
    return supernet


class Occupied:
    """Numbers that are in use, as sorted ranges without overlap."""

    def __init__(self, subnets: Iterable[Subnet], version: int) -> None:
        same_family = (subnet for subnet in subnets if subnet.version == version and subnet.prefixlen)
        ranges = sorted((int(subnet.network_address), int(subnet.broadcast_address)) for subnet in same_family)
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            if self._ends and start <= self._ends[-1] + 1:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def end_of_overlap(self, first: int, last: int) -> int | None:
        """Return where the last range that meets ``first`` to ``last`` ends, or None."""
        position = bisect_right(self._starts, last) - 1
        return self._ends[position] if position >= 0 and self._ends[position] >= first else None


def free_pool(
    supernets: Sequence[Supernet], version: int, length: int | None, in_use: Iterable[Subnet], cursor: Subnet | None
) -> Subnet:
    """Return the next pool behind ``cursor`` that overlaps nothing of ``in_use``; ``length`` None is the supernet's.

    Raises:
        Exhausted: there is none; the text names the supernets.
    """
    family = [supernet for supernet in supernets if supernet.subnet.version == version]
    occupied = Occupied(in_use, version)
    for supernet, start in _turns(family, cursor):
        wanted = length or supernet.length
        if wanted >= supernet.subnet.prefixlen:
            found = _search(supernet.subnet, wanted, occupied, start)
            if found is not None:
                return found
    names = ", ".join(f"{supernet.subnet} in /{length or supernet.length}" for supernet in family)
    raise Exhausted(f"no free IPv{version} pool is left in {names}: others and the host's routes use all of it")


def _turns(family: Sequence[Supernet], cursor: Subnet | None) -> Iterator[tuple[Supernet, int]]:
    """Yield every supernet once, from the cursor's on, and that one again from its beginning."""
    position = next((i for i, item in enumerate(family) if cursor is not None and _holds(item, cursor)), None)
    if position is not None and cursor is not None:
        yield family[position], int(cursor.broadcast_address) + 1
        family = [*family[position + 1 :], *family[: position + 1]]
    for supernet in family:
        yield supernet, int(supernet.subnet.network_address)


def _holds(supernet: Supernet, pool: Subnet) -> bool:
    return supernet.subnet.version == pool.version and pool.network_address in supernet.subnet


def _search(supernet: Subnet, length: int, occupied: Occupied, start: int) -> Subnet | None:
    size = 1 << (supernet.max_prefixlen - length)
    number = -(-start // size) * size
    while number + size - 1 <= int(supernet.broadcast_address):
        end = occupied.end_of_overlap(number, number + size - 1)
        if end is None:
            network = IPv4Network if supernet.version == 4 else IPv6Network
            return network((number, length))
        number = (end // size + 1) * size
    return None
