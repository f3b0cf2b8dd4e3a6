"""Listings of nft without the parts that frames change."""

import re

_FILLED = re.compile(r"(set (?:drops[46]?|flows[46]|flooding_ports) {[^{}]*?)\s*elements = {[^}]*}")


def without_drops(listed: str) -> str:
    """Take the elements out of the sets that count what the tables drop: they come with frames, and go with time."""
    return _FILLED.sub(r"\1", listed)
