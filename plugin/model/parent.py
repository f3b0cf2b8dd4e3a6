"""The identity of a link of the host upon which the links of containers are."""

from netlink.values import dataclass


@dataclass(frozen=True, slots=True)
class Parent:
    """A link by its ``index`` and ``mac`` in the boot ``boot``, in which no other link gets that index.

    ``mtu`` is its MTU in bytes when it was last looked at, 0 if it is not known.
    """

    index: int
    mac: str
    boot: str
    mtu: int = 0
