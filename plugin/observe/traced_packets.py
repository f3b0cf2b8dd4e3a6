"""Puts the events of a trace together to packets."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from netlink.headers import Headers
from netlink.nftrace import DROP, TraceEvent

SETTLED = 0.3  # seconds without an event after which a packet is complete


@dataclass(slots=True)
class TracedPacket:
    """A packet and everything that it met, in order."""

    headers: Headers
    link_in: str
    link_out: str
    events: list[TraceEvent] = field(default_factory=list)
    begins: set[tuple[tuple[str, ...], str]] = field(default_factory=set)  # chains of the trace that marked it
    heard: float = 0.0
    born: int = 0

    @property
    def dropped(self) -> bool:
        """Whether the last event drops it."""
        return bool(self.events) and self.events[-1].verdict == DROP


class TracedPackets:
    """Knows the packets that are on their way; ``table`` is the one that marks them.

    The kernel's number of a packet is made of its memory, which a later packet may get, and of the link by which it
    came, which is another one behind a bridge. A packet begins in a chain of ``table``, and goes through each once.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._open: dict[int, TracedPacket] = {}
        self._done: list[TracedPacket] = []
        self._count = itertools.count()

    def hear(self, event: TraceEvent, now: float) -> None:
        """Add an event; one of a packet whose beginning was not heard is left out."""
        own = event.table == self._table
        packet = self._open.get(event.packet) or self._renumbered(event)
        if own and event.headers is not None:
            packet = self._marked(event, event.headers, packet)
        if packet is None:
            return
        packet.heard = now
        if not own:
            packet.events.append(event)
        if packet.dropped:
            self._close(packet)

    def complete(self, now: float) -> Iterator[TracedPacket]:
        """Yield packets that were dropped, or of which nothing was heard for a while, each once and in order."""
        for packet in list(self._open.values()):
            if now - packet.heard >= SETTLED:
                self._close(packet)
        done, self._done = sorted(self._done, key=lambda packet: packet.born), []
        yield from done

    def _renumbered(self, event: TraceEvent) -> TracedPacket | None:
        """Return the packet that has a new number: with the same headers, or after translation with one of its ends."""
        headers = event.headers
        if headers is None:
            return None
        same = [one for one in self._open.values() if _is_like(one.headers, headers)]
        same.sort(key=lambda one: (one.headers == headers, one.heard))
        if same:
            self._open[event.packet] = same[-1]
        return same[-1] if same else None

    def _marked(self, event: TraceEvent, headers: Headers, packet: TracedPacket | None) -> TracedPacket:
        """Return the packet that the trace's own table marks: a new one, if this chain has marked it before."""
        place = (event.families, event.chain)
        if packet is not None and place in packet.begins:
            self._close(packet)
            packet = None
        packet = packet or TracedPacket(headers, event.link_in, event.link_out, born=next(self._count))
        self._open[event.packet] = packet
        packet.begins.add(place)
        return packet

    def _close(self, packet: TracedPacket) -> None:
        """Let a packet be complete, which may be known by several numbers."""
        before = len(self._open)
        self._open = {number: one for number, one in self._open.items() if one is not packet}
        if len(self._open) < before:
            self._done.append(packet)


def _is_like(one: Headers, other: Headers) -> bool:
    """Return whether two packets may be the same, before and after a translation of one end."""
    source = (one.source, one.source_port) == (other.source, other.source_port)
    target = (one.target, one.target_port) == (other.target, other.target_port)
    return one.protocol == other.protocol and one.detail == other.detail and (source or target)
