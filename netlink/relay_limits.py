"""How much of the relay one port and one client may use, and for how long.

A client is an address. Unless its guard was opened, a container has two of them (its IPv6 address and the link-local
one), so it can use up neither a port nor the relay. A client outside that has a whole /64 can.
"""

from netlink.values import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """The most connections or flows in all, of one port, and of one client over all ports."""

    together: int
    port: int
    client: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the relay; times are in seconds.

    Of a client that uses its share, ``waiting`` connections are accepted and held until one of its own ends: in the
    kernel's backlog they would be in front of connections of others. Further ones are refused.

    ``connect``: three repeated SYNs (after 1, 3 and 7 seconds). ``idle`` and ``half_closed`` (one direction has ended):
    RFC 5382 REQ-5, no less than 2 hours 4 minutes and 4 minutes; docker-proxy has no limit, and the kernel's connection
    tracking, on which all other ports depend, 5 days and 1 to 2 minutes. ``keep_alive``: Go's interval and number of
    probes, which docker-proxy has, so that a peer that vanished holds nothing for two hours. ``flow_idle``: the
    UDPConnTrackTimeout of docker-proxy.
    """

    connections: Share = Share(2048, 1024, 256)
    waiting: int = 64
    flows: Share = Share(2048, 1024, 256)
    connect: float = 10.0
    idle: float = 7440.0
    half_closed: float = 240.0
    keep_alive: int = 15
    probes: int = 9
    flow_idle: float = 90.0
