"""Elements of the sets and maps in pynet's nftables tables, as text."""

from collections.abc import Mapping, Sequence

Elements = Mapping[str, Sequence[str]]  # set or map -> elements in nft syntax
