"""Keys as the names of nodes: percent-encoded, because stores forbid some characters and give others a meaning."""

from urllib.parse import quote, unquote


def name_of(key: str) -> str:
    """Return the name for a key; never empty, and a prefix of a key has the beginning of the key's name."""
    return "=" + quote(key, safe="")


def key_of(name: str) -> str:
    """Return the key of a name."""
    return unquote(name[1:])
