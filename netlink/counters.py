"""Counters of elements that packets add to an nftables set (``update @set { key counter }``), without libnftables."""

from collections.abc import Iterator
from typing import NamedTuple

from netlink import uapi
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.nft_elements import FAMILIES
from netlink.nft_listing import packets_of
from netlink.wire import attributes, text


class Counted(NamedTuple):
    """An element that packets added: its key as the kernel packs it, its packets, and seconds since the last one."""

    key: bytes
    packets: int
    idle: float


class Counters:
    """The sets of the network namespace that this process lives in."""

    def counted(self, family: str, table: str, name: str) -> list[Counted]:
        """Return the elements of the set ``name`` that count packets; each has a timeout that packets renew.

        Raises:
            Missing: there is no such table or set.
            KernelError: the kernel refused.
        """
        with kernel_errors(f"list counters of nftables set '{family} {table} {name}'"):
            asked = bytes([FAMILIES[family], 0, 0, 0])
            asked += text(uapi.NFTA_SET_ELEM_LIST_TABLE, table) + text(uapi.NFTA_SET_ELEM_LIST_SET, name)
            listed = dump(uapi.NFT_MSG_GETSETELEM, asked, uapi.NETLINK_NETFILTER, uapi.NFT_MSG_NEWSETELEM)
            return [each for body in listed for each in _elements(body[uapi.NFGENMSG :])]


def _elements(body: bytes) -> Iterator[Counted]:
    for _, element in attributes(dict(attributes(body)).get(uapi.NFTA_SET_ELEM_LIST_ELEMENTS, b"")):
        found = dict(attributes(element))
        key = dict(attributes(found[uapi.NFTA_SET_ELEM_KEY]))[uapi.NFTA_DATA_VALUE]
        packets = packets_of(found.get(uapi.NFTA_SET_ELEM_EXPR, b""))
        yield Counted(key, packets, _milliseconds(found) / 1000)


def _milliseconds(found: dict[int, bytes]) -> int:
    """Return how long an element has been idle, from its timeout and the rest of it."""
    lasts, rest = (
        int.from_bytes(found.get(kind, b""), "big")
        for kind in (uapi.NFTA_SET_ELEM_TIMEOUT, uapi.NFTA_SET_ELEM_EXPIRATION)
    )
    return max(0, lasts - rest)
