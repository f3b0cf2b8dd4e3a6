"""Keys as the names of nodes: percent-encoded, because stores forbid some characters and interpret others."""

from urllib.parse import quote, unquote


def name_of(key: str) -> str:
    """Return the name for a key; it is never empty, and the name of a prefix is a prefix of the name."""
    return "=" + quote(key, safe="")


def key_of(name: str) -> str:
    """Return the key of a name."""
    return unquote(name[1:])
