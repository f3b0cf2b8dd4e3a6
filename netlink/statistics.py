"""Statistics that the kernel keeps of links and of elements of nftables sets, read without listing anything else.

Measured with 1,000 veth pairs: one request for each link 3 ms and its index 6 ms, a listing of all statistics 4 ms, a
listing of all links 11 ms.
"""

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from netlink import nft_listing, uapi
from netlink.errors import Missing, kernel_errors
from netlink.nft_elements import NamedSet
from netlink.request import Requests, link_index
from netlink.wire import attributes, message


class LinkCounts(NamedTuple):
    """The beginning of struct rtnl_link_stats64: numbers of packets and bytes since the link was made."""

    rx_packets: int
    tx_packets: int
    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int
    rx_dropped: int
    tx_dropped: int


class Statistics:
    """Statistics of the network namespace that this process lives in.

    Indices of links are kept until the next call, because finding them takes longer than the statistics. The kernel
    gives the index of a deleted link to another one only after 2^31 others (dev_index_reserve, net/core/dev.c).
    """

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}  # of the links of the last call

    def links(self, names: Iterable[str]) -> dict[str, LinkCounts]:
        """Return the counts of links, without those that are gone.

        Raises:
            KernelError: the kernel cannot be asked.
        """
        wanted, before = list(names), self._indices
        indices = {name: before[name] for name in wanted if name in before}
        found = self._ask(indices)
        new = self._looked_up(name for name in wanted if name not in found)
        self._indices = indices | new
        return found | self._ask(new)

    @staticmethod
    def _looked_up(names: Iterable[str]) -> dict[str, int]:
        indices: dict[str, int] = {}
        for name in names:
            with suppress(Missing):
                indices[name] = link_index(name, "read statistics")
        return indices

    @staticmethod
    def _ask(indices: Mapping[str, int]) -> dict[str, LinkCounts]:
        requests = Requests()
        try:
            with kernel_errors("read the statistics of links"):
                bodies = requests.ask_all([_question(index) for index in indices.values()])
        finally:
            requests.close()
        return {name: _counts(body) for name, body in zip(indices, bodies, strict=True) if body}

    def counted(self, table: str, of: NamedSet) -> Mapping[bytes, int]:
        """Return the packets that found each element of a counted set, packed; ``Missing`` without table or set."""
        return nft_listing.counts(table, of)


def _question(index: int) -> bytes:
    body = uapi.IF_STATS_MSG.pack(socket.AF_UNSPEC, index, uapi.IFLA_STATS_FILTER_LINK_64)
    return message(uapi.RTM_GETSTATS, 0, body)


def _counts(body: bytes) -> LinkCounts:
    found = dict(attributes(body[uapi.IF_STATS_MSG.size :]))
    return LinkCounts(*uapi.LINK_STATS.unpack_from(found[uapi.IFLA_STATS_LINK_64]))
