"""The largest packet that the kernel hands to a link in one piece; above 64 kB this is called BIG TCP.

A link has one size for packets that it sends and one for packets that it joins on arrival, each for IPv6 and for IPv4.
Linux has had the sizes for IPv4 since 6.3; pyroute2 0.9 leaves them out without an error.
"""

from collections.abc import Mapping

from netlink import request, uapi
from netlink.errors import kernel_errors
from netlink.request import Requests, link_index
from netlink.wire import attributes, number, word

# The kernel takes them in this order: a size for IPv6 up to 64 kB lowers the one for IPv4 (netif_set_gso_max_size).
KERNELS_OWN = 65536  # bytes, of a link that was given no size (GSO_LEGACY_MAX_SIZE, linux/netdevice.h)
_SIZES = (uapi.IFLA_GSO_MAX_SIZE, uapi.IFLA_GRO_MAX_SIZE, uapi.IFLA_GSO_IPV4_MAX_SIZE, uapi.IFLA_GRO_IPV4_MAX_SIZE)


def gso_sizes(size: int) -> bytes:
    """Return the attributes that give a link ``size`` bytes; none for 0, which leaves it the kernel's own 64 kB."""
    return b"".join(word(kind, size) for kind in _SIZES) if size else b""


def gso_of(found: Mapping[int, bytes]) -> int:
    """Return how much a link with these attributes sends in one piece in both families; 0 from older kernels."""
    return min(number(found.get(kind, b"")) for kind in (uapi.IFLA_GSO_MAX_SIZE, uapi.IFLA_GSO_IPV4_MAX_SIZE))


class Gso:
    """Verbs on the largest packets of links, which may raise ``KernelError``."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._takes: bool | None = None

    def takes_gso(self) -> bool:
        """Return whether links can have packets above 64 kB of both families; the kernel is asked once.

        An older kernel gives a new link any size unchecked, and then makes IPv4 packets whose length does not fit.
        """
        if self._takes is None:
            with kernel_errors("look at link 'lo'"):
                body = self._requests.ask(request.look("lo"))
            self._takes = gso_of(dict(attributes(body[uapi.IFINFOMSG.size :]))) > 0
        return self._takes

    def set_gso(self, name: str, size: int) -> None:
        """``ip link set NAME gso_max_size SIZE gro_max_size SIZE gso_ipv4_max_size SIZE gro_ipv4_max_size SIZE``."""
        action = f"set the largest packet of '{name}' to {size} bytes"
        index = link_index(name, action)
        with kernel_errors(action):
            self._requests.send(request.change(index, gso_sizes(size)))
