"""Finds the subnets that overlap another one among thousands, without comparing it with each."""

from bisect import bisect_left, insort
from collections import Counter

from plugin.protocol.messages import Subnet

_Key = tuple[int, int, int]  # IP version, first address as a number, prefix length


class SubnetIndex:
    """The subnets of owners, such as networks; an owner may have several, and owners may share one. No locks.

    Of two subnets that overlap one contains the other. Those inside of a subnet are neighbours in the order of their
    addresses, and for those around it there is one candidate for each prefix length.
    """

    def __init__(self) -> None:
        self._owners: dict[_Key, list[str]] = {}
        self._sorted: list[_Key] = []  # the keys of _owners
        self._lengths: Counter[tuple[int, int]] = Counter()  # subnets of each IP version and prefix length

    def add(self, subnet: Subnet, owner: str) -> None:
        """Note that ``owner`` has ``subnet``."""
        key = _key(subnet)
        if key not in self._owners:
            self._owners[key] = []
            insort(self._sorted, key)
            self._lengths[key[0], key[2]] += 1
        self._owners[key].append(owner)

    def remove(self, subnet: Subnet, owner: str) -> None:
        """Note that ``owner`` has ``subnet`` no more; it had it."""
        key = _key(subnet)
        self._owners[key].remove(owner)
        if not self._owners[key]:
            del self._owners[key], self._sorted[bisect_left(self._sorted, key)]
            self._lengths -= Counter({(key[0], key[2]): 1})

    def overlapping(self, subnet: Subnet) -> list[str]:
        """Return the owners of all subnets that overlap ``subnet``, each once."""
        version, first, length = _key(subnet)
        behind = first + (1 << (subnet.max_prefixlen - length))
        inside = self._sorted[
            bisect_left(self._sorted, (version, first, length)) : bisect_left(self._sorted, (version, behind, 0))
        ]
        shorter = (size for of, size in self._lengths if of == version and size < length)
        around = ((version, first >> (width := subnet.max_prefixlen - size) << width, size) for size in shorter)
        return list(dict.fromkeys(owner for key in (*inside, *around) for owner in self._owners.get(key, ())))


def _key(subnet: Subnet) -> _Key:
    return subnet.version, int(subnet.network_address), subnet.prefixlen
