"""Counters of the elements of an nftables set that packets fill (``update @set { key counter }``), without libnftables.

Layout: NFTA_SET_ELEM_*, NFTA_EXPR_* and NFTA_COUNTER_* (linux/netfilter/nf_tables.h).
"""

import os
import socket
import struct
from collections.abc import Iterator

from netlink.deadline import remaining
from netlink.dump import PATIENCE
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
from netlink.wire import NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR, attributes, error_number, message, messages, text

_GET = 0xA0D  # NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM
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
            return dict(pair for body in _dump(family, table, name) for pair in _elements(body))


def _dump(family: str, table: str, name: str) -> Iterator[bytes]:
    asked = struct.pack("=BBH", FAMILIES[family], 0, 0) + text(LIST_TABLE, table) + text(LIST_SET, name)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as sock:
        sock.settimeout(remaining(PATIENCE))
        sock.bind((0, 0))
        sock.send(message(_GET, NLM_F_DUMP, asked))
        while True:
            for kind, _, body in messages(sock.recv(1 << 17)):
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    number = error_number(body)
                    raise OSError(number, os.strerror(number))
                yield body[4:]


def _elements(body: bytes) -> Iterator[tuple[str, int]]:
    for _, element in attributes(dict(attributes(body)).get(LIST_ELEMENTS, b"")):
        found = dict(attributes(element))
        expression = dict(attributes(found.get(_ELEM_EXPR, b"")))
        if expression.get(_EXPR_NAME) == b"counter\0":
            link = dict(attributes(found[ELEM_KEY]))[DATA_VALUE].rstrip(b"\0").decode()
            counted = dict(attributes(expression[_EXPR_DATA]))
            yield link, int.from_bytes(counted[_COUNTER_PACKETS], "big")
