"""Counters of elements that packets add to an nftables set (``update @set { key counter }``), without libnftables."""

from collections.abc import Iterator

from netlink import uapi
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.nft_elements import FAMILIES
from netlink.nft_listing import packets_of
from netlink.wire import attributes, text


class Counters:
    """The sets of the network namespace that this process lives in."""

    def packets(self, family: str, table: str, name: str) -> dict[str, int]:
        """Return the packets that the set ``name`` counts, by the name of a link, which is its key.

        Raises:
            Missing: there is no such table or set.
            KernelError: the kernel refused.
        """
        with kernel_errors(f"list counters of nftables set '{family} {table} {name}'"):
            asked = bytes([FAMILIES[family], 0, 0, 0])
            asked += text(uapi.NFTA_SET_ELEM_LIST_TABLE, table) + text(uapi.NFTA_SET_ELEM_LIST_SET, name)
            listed = dump(uapi.NFT_MSG_GETSETELEM, asked, uapi.NETLINK_NETFILTER, uapi.NFT_MSG_NEWSETELEM)
            return dict(pair for body in listed for pair in _elements(body[uapi.NFGENMSG :]))


def _elements(body: bytes) -> Iterator[tuple[str, int]]:
    for _, element in attributes(dict(attributes(body)).get(uapi.NFTA_SET_ELEM_LIST_ELEMENTS, b"")):
        found = dict(attributes(element))
        link = dict(attributes(found[uapi.NFTA_SET_ELEM_KEY]))[uapi.NFTA_DATA_VALUE].rstrip(b"\0").decode()
        yield link, packets_of(found.get(uapi.NFTA_SET_ELEM_EXPR, b""))
