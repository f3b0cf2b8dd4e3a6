"""The answer of the serving process to the verb Traffic: the kernel's counters of endpoints and published ports."""

from collections.abc import Sequence

from netlink.ip import Address
from netlink.values import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Traffic in one direction since the link was made; ``packets`` are those that the kernel handed to the link.

    A large one counts once (``netlink.gso``). ``drops`` and ``errors`` are packets, too.
    """

    bytes: int
    packets: int
    drops: int
    errors: int


@dataclass(frozen=True, slots=True)
class PortTraffic:
    """A published port; ``connections`` is the number of connections that nftables led to the container.

    It is None where nftables does not translate the port: without ``host_ip``, and where pynet relays connections.
    """

    proto: str
    host_ip: Address | None
    host_port: int
    container_ip: Address
    container_port: int
    connections: int | None


@dataclass(frozen=True, slots=True)
class EndpointTraffic:
    """An endpoint: ``received`` is traffic to its container, ``sent`` traffic from it.

    Both are None if its ``link`` on the host is gone.
    """

    id: str
    link: str
    received: Counts | None
    sent: Counts | None
    ports: Sequence[PortTraffic]


@dataclass(frozen=True, slots=True)
class NetworkTraffic:
    """A network and its endpoints on this host."""

    id: str
    mode: str
    link: str
    endpoints: Sequence[EndpointTraffic]


@dataclass(frozen=True, slots=True)
class Traffic:
    """All counters, as read at ``time``: seconds of a clock that never goes back, for rates between two answers."""

    time: float
    networks: Sequence[NetworkTraffic]
