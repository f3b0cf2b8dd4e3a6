"""Packets that pynet's tables dropped, as the serving process reports them."""

from netlink.ip import Address
from netlink.values import dataclass


@dataclass(frozen=True, slots=True)
class DropEnd:
    """The sender or the receiver of dropped packets, as far as it is known: ``link`` is a port or a bridge."""

    endpoint: str
    address: Address | None
    link: str


@dataclass(frozen=True, slots=True)
class DropReport:
    """Packets that were dropped for one reason; ``network`` is the one whose rules decided, or "".

    ``since`` and ``last`` are the times of the first and the last packet, in seconds since 1970.
    """

    network: str
    reason: str
    sender: DropEnd
    receiver: DropEnd
    packets: int
    since: float
    last: float


@dataclass(frozen=True, slots=True)
class DroppedPackets:
    """Packets that were dropped since the start, by network, reason and endpoint; "" where there is none."""

    network: str
    reason: str
    endpoint: str
    packets: int
