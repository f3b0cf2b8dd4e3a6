"""Counters of the elements of an nftables set that packets fill (``update @set { key counter }``), without libnftables.

Layout: NFTA_SET_ELEM_*, NFTA_EXPR_* and NFTA_COUNTER_* (linux/netfilter/nf_tables.h).
"""

from collections.abc import Iterator

from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.setelem import (
    DATA_VALUE,
    ELEM_KEY,
    FAMILIES,
    LIST_ELEMENTS,
    LIST_SET,
    LIST_TABLE,
    NETLINK_NETFILTER,
)
from netlink.wire import attributes, text

_GET, _NEW = 0xA0D, 0xA0C  # NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM
_HEADER = 4  # bytes of struct nfgenmsg
_ELEM_EXPR, _EXPR_NAME, _EXPR_DATA, _COUNTER_PACKETS = 7, 1, 2, 2


class Counters:
    """The sets of the network namespace that this process lives in."""

    def packets(self, family: str, table: str, name: str) -> dict[str, int]:
        """Return the packets that the set ``name`` counts, by the name of a link, which is its key.

        Raises:
            Missing: there is no such table or set.
            KernelError: the kernel refused.
        """
        with kernel_errors(f"list counters of nftables set '{family} {table} {name}'"):
            asked = bytes([FAMILIES[family], 0, 0, 0]) + text(LIST_TABLE, table) + text(LIST_SET, name)
            listed = dump(_GET, asked, NETLINK_NETFILTER, _NEW)
            return dict(pair for body in listed for pair in _elements(body[_HEADER:]))


def _elements(body: bytes) -> Iterator[tuple[str, int]]:
    for _, element in attributes(dict(attributes(body)).get(LIST_ELEMENTS, b"")):
        found = dict(attributes(element))
        expression = dict(attributes(found.get(_ELEM_EXPR, b"")))
        if expression.get(_EXPR_NAME) == b"counter\0":
            link = dict(attributes(found[ELEM_KEY]))[DATA_VALUE].rstrip(b"\0").decode()
            counted = dict(attributes(expression[_EXPR_DATA]))
            yield link, int.from_bytes(counted[_COUNTER_PACKETS], "big")
