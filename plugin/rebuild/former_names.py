"""Names of sets and maps in the tables of earlier versions, which may be in the kernel when the store is lost."""

from collections.abc import Mapping

from netlink.nft_elements import NamedSet
from plugin.firewall import sets

_BY_VERSION = {
    "source": sets.SOURCES,
    "open": sets.ROUTED_PORTS,
    "ports": sets.PUBLISHED,
    "anywhere": sets.PUBLISHED_ANY,
    "mates": sets.HAIRPIN,
    "pairs": sets.PORT_ADDRESSES,
    "ways": sets.MULTIHOMED,
}
FORMER_NAMES: Mapping[str, NamedSet] = {
    "links": sets.BRIDGES,
    "inside": sets.SAME_NETWORK,
    "internal": sets.INTERNAL,
    "outbound": sets.MASQUERADED,
    "direct": sets.ROUTED_ICMP,
    "trusted": sets.TRUSTED,
    "macs": sets.PORT_MACS,
    **{f"{name}{version}": of for name, pair in _BY_VERSION.items() for version, of in pair.items()},
}
