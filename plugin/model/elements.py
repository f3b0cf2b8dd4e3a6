"""What an owner has in the sets and maps of pynet's nftables tables."""

from collections.abc import Sequence

from netlink.nft_elements import Element

Elements = Sequence[Element]


def misfit(elements: Elements) -> str:
    """Return why the first element that does not fit its set cannot be written, or "" if all of them can."""
    return next((element.flaw for element in elements if element.flaw), "")
