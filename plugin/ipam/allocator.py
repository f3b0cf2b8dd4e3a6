"""Which address comes next: pure arithmetic on whole numbers, whatever the family.

Next-fit: the search goes on behind the last address that was given out, so a freed one rests for a whole turn. It
looks at no more candidates than there are addresses taken, plus one; the size of the pool does not matter.
"""

from collections.abc import Container
from dataclasses import dataclass

from plugin.errors import InvalidRequest
from plugin.messages import Address, Subnet


@dataclass(frozen=True, slots=True)
class Span:
    """The addresses from ``first`` to ``last``, as numbers, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many addresses there are."""
        return self.last - self.first + 1

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last


def dynamic_span(subnet: Subnet, sub_pool: Subnet | None) -> Span:
    """Return what dynamic addresses come from: the sub-pool where there is one, never a reserved address."""
    whole = sub_pool or subnet
    first, last = int(whole.network_address), int(whole.broadcast_address)
    reserved = reserved_addresses(subnet)
    return Span(first + (first in reserved), last - (last in reserved))


def reserved_addresses(subnet: Subnet) -> dict[int, str]:
    """Return the addresses of ``subnet`` that nobody may have, and what they are.

    IPv4: network and broadcast address, but not of /31 and /32 (RFC 3021). IPv6: the subnet-router anycast address
    (RFC 4291 2.6.1), but not of /127 and /128 (RFC 6164).
    """
    if subnet.prefixlen >= subnet.max_prefixlen - 1:
        return {}
    if subnet.version == 6:
        return {int(subnet.network_address): "subnet-router anycast address"}
    return {int(subnet.network_address): "network address", int(subnet.broadcast_address): "broadcast address"}


def check_static(subnet: Subnet, address: Address) -> None:
    """Refuse an address that cannot be given out.

    Raises:
        InvalidRequest: it lies outside of ``subnet`` or is one of its reserved addresses.
    """
    if address not in subnet:
        raise InvalidRequest(f"address {address} does not lie in pool {subnet}")
    role = reserved_addresses(subnet).get(int(address))
    if role:
        raise InvalidRequest(f"address {address} is the {role} of pool {subnet}")


def next_free(span: Span, taken: Container[int], cursor: int, most: int) -> int | None:
    """Return the first address of ``span`` behind ``cursor`` that is not ``taken``, or None.

    ``most`` is how many addresses are taken at most: among that many candidates and one more there is a free one, or
    there is none in the span.
    """
    number = cursor + 1 if cursor + 1 in span else span.first
    for _ in range(min(span.size, most + 1)):
        if number not in taken:
            return number
        number = number + 1 if number < span.last else span.first
    return None
