"""Limits of the resolver: an asker who floods it costs little, and others go on."""

from collections import Counter

from netlink.values import dataclass
from plugin.protocol.messages import Address


@dataclass(frozen=True, slots=True)
class ResolverLimits:
    """How much the resolver does at once; times are in seconds, sizes in bytes."""

    waiting: int = 256  # questions that wait for servers of the host
    waiting_of_client: int = 32  # the same, of one client
    connections: int = 64  # of TCP
    connections_of_client: int = 4
    idle: float = 5.0  # until a connection without a question is closed
    question: int = 4096  # largest question
    payload: int = 1232  # largest answer by UDP, as agreed on the DNS flag day of 2020
    cached: int = 1000  # answers in the cache
    cached_size: int = 4096  # largest answer that is cached
    longest: int = 3600  # until an answer is asked for again, whatever its TTL
    patience: float = 1.2  # for one server; an engine waits 4 s for all (moby libnetwork/resolver.go, extIOTimeout)
    tries: int = 3  # servers that are asked for one question


class HeldShare:
    """Counts what clients hold, up to limits for one and for all."""

    def __init__(self, most: int, most_of_client: int) -> None:
        self._most = most
        self._most_of_client = most_of_client
        self._held: Counter[Address] = Counter()
        self._all = 0

    def hold(self, client: Address) -> bool:
        """Count one more of ``client``; return whether there was room."""
        if self._all >= self._most or self._held[client] >= self._most_of_client:
            return False
        self._held[client] += 1
        self._all += 1
        return True

    def release(self, client: Address) -> None:
        """Count one less of ``client``, which held it."""
        self._all -= 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]

    @property
    def held(self) -> int:
        """Number of all that are held."""
        return self._all
