"""The addresses of one pool: which may be given out, and which is the next. No I/O, no locks."""

from collections.abc import Iterable

from plugin.errors import Exhausted, InvalidRequest
from plugin.ipam.intervals import Intervals, free_block
from plugin.protocol.messages import Address, Subnet

NO_ADDRESSES = "no available addresses on this pool"  # the text of Docker's own (moby daemon/libnetwork/ipamapi)


def usable(subnet: Subnet, within: Subnet | None = None) -> tuple[int, int]:
    """Return the first and the last address of ``subnet`` that may be given out, as integers.

    ``within`` narrows them to a part of the subnet; the first is greater than the last when none is left.
    """
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    if subnet.max_prefixlen - subnet.prefixlen > 1:  # RFC 3021 and RFC 6164: both addresses of a /31 or /127 are hosts
        first += 1
        if subnet.version == 4:  # IPv6 has no broadcast address
            last -= 1
    if within is not None:
        first = max(first, int(within.network_address))
        last = min(last, int(within.broadcast_address))
    return first, last


def check_usable(subnet: Subnet, address: Address) -> None:
    """Check that ``address`` may be given out in ``subnet``.

    Raises:
        InvalidRequest: it is outside of the subnet, or it is the network, broadcast or subnet-router anycast address.
    """
    if address.version != subnet.version or address not in subnet:
        raise InvalidRequest(f"address '{address}' is not in pool '{subnet}'")
    first, last = usable(subnet)
    if first <= int(address) <= last:
        return
    if int(address) > last:
        what = "broadcast address"
    else:
        what = "network address" if subnet.version == 4 else "subnet-router anycast address (RFC 4291)"
    raise InvalidRequest(f"address '{address}' is the {what} of pool '{subnet}' and cannot be given out")


class AddressPool:
    """The taken addresses of a pool, and the number at which the search for the next one begins.

    The search goes round (next-fit): a freed address is given out again only after all others, so that neighbours
    forget it and a stale peer does not reach the wrong container.
    """

    def __init__(
        self, subnet: Subnet, sub_pool: Subnet | None = None, taken: Iterable[int] = (), last: int | None = None
    ) -> None:
        self._subnet = subnet
        self._sub_pool = sub_pool
        self._taken = Intervals.of((number, number) for number in taken)
        self._first, self._last = usable(subnet, sub_pool)
        self._cursor = self._first if last is None else last + 1

    def take(self, *, first: bool = False) -> Address:
        """Take the next free address; with ``first`` the lowest address of the pool if it is free, for a gateway.

        Raises:
            Exhausted: every address is taken.
        """
        if first and self._first <= self._last and self._first not in self._taken:
            number: int | None = self._first
        else:
            number = free_block([self._taken], max(self._cursor, self._first), self._last)
            if number is None:
                number = free_block([self._taken], self._first, self._last)
        if number is None:
            raise Exhausted(self._nothing_left())
        self._cursor = max(self._cursor, number + 1) if first else number + 1
        self._taken.add(number)
        # Not ip_address(), which takes IPv6 addresses below 2^32 for IPv4.
        return type(self._subnet.network_address)(number)

    def mark(self, address: Address) -> None:
        """Note that ``address`` is taken; it may be outside of the sub pool."""
        self._taken.add(int(address))

    def free(self, address: Address) -> None:
        """Note that ``address`` is free; it may be free already."""
        self._taken.discard(int(address))

    def __contains__(self, address: Address) -> bool:
        return int(address) in self._taken

    def _nothing_left(self) -> str:
        size = max(0, self._last - self._first + 1)
        if self._sub_pool is None:
            return f"{NO_ADDRESSES}: no free address is left in pool '{self._subnet}': {size} of {size} are taken"
        return (
            f"{NO_ADDRESSES}: no free address is left in range '{self._sub_pool}' of pool '{self._subnet}': "
            f"{size} of {size} are taken"
        )
