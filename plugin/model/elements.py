"""The elements of an owner in the sets and maps of pynet's nftables tables."""

from collections.abc import Sequence

from netlink.nft_elements import Element

Elements = Sequence[Element]
