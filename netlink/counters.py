"""Counters of elements that packets add to an nftables set (``update @set { key counter }``), without libnftables."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from netlink import uapi
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.nft_elements import FAMILIES
from netlink.nft_listing import packets_of
from netlink.wire import attributes, text

_AROUND = 80  # bytes of an element with a counter and a timeout, beside its key: heads of attributes, and four numbers


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
            bodies = [dict(attributes(body[uapi.NFGENMSG :])) for body in listed]
            return [each for body in bodies for each in read_counted(body.get(uapi.NFTA_SET_ELEM_LIST_ELEMENTS, b""))]


def read_counted(body: bytes) -> Sequence[Counted]:
    """Return the elements in NFTA_SET_ELEM_LIST_ELEMENTS of the kernel.

    Those with the usual attributes are taken apart together, in a fifth of the time: a network whose containers are
    refused something has an element for each, which is read every 30 seconds.
    """
    return _alike(body) or [_counted(element) for _, element in attributes(body)]


def _counted(element: bytes) -> Counted:
    found = dict(attributes(element))
    key = dict(attributes(found[uapi.NFTA_SET_ELEM_KEY]))[uapi.NFTA_DATA_VALUE]
    return Counted(key, packets_of(found.get(uapi.NFTA_SET_ELEM_EXPR, b"")), _milliseconds(found) / 1000)


def _alike(body: bytes) -> Sequence[Counted]:
    """Return the elements if all are built like the first one, and that is the usual way; else nothing."""
    first = next(iter(attributes(body)), (0, b""))[1]
    length = len(first) + uapi.NLATTR.size
    if length <= _AROUND or len(body) % length:
        return []
    parts = struct.iter_unpack(f">12s{length - _AROUND}s24s8s4sQ4sQ4sQ", body)
    key_heads, keys, heads, _, *rest = zip(*parts, strict=True)
    packet_heads, packets, lasting_heads, lasts, rest_heads, rests = rest
    if any(len(set(column)) > 1 for column in (key_heads, heads, packet_heads, lasting_heads, rest_heads)):
        return []
    found = [
        Counted(key, number, max(0, last - left) / 1000)
        for key, number, last, left in zip(keys, packets, lasts, rests, strict=True)
    ]
    return found if found[0] == _counted(first) else []


def _milliseconds(found: dict[int, bytes]) -> int:
    """Return how long an element has been idle, from its timeout and the rest of it."""
    lasts, rest = (
        int.from_bytes(found.get(kind, b""), "big")
        for kind in (uapi.NFTA_SET_ELEM_TIMEOUT, uapi.NFTA_SET_ELEM_EXPIRATION)
    )
    return max(0, lasts - rest)
