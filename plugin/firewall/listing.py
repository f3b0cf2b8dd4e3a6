"""What stands in the sets and maps of a table, as nft lists it, in the words in which pynet writes it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from plugin.firewall.bridge_rules import COUNTED
from plugin.firewall.ruleset import Elements

_WHOLE = re.compile(r"/32\b|/128\b")
Contents = Mapping[str, Counter[str]]  # set or map -> its elements


def listed_contents(objects: Iterable[Mapping[str, Any]]) -> Contents:
    """Return the elements of nft's JSON listing of a table, without those that packets add."""
    found: dict[str, Counter[str]] = {}
    for item in objects:
        container = item.get("set") or item.get("map")
        if container is not None and "elem" in container and not container["name"].startswith(COUNTED):
            found[container["name"]] = Counter(_text(element).lower() for element in container["elem"])
    return found


def wanted_contents(owners: Iterable[Elements]) -> Contents:
    """Return the elements of all owners; what several of them want is there once."""
    found: dict[str, set[str]] = {}
    for elements in owners:
        for name, values in elements.items():
            if values:
                found.setdefault(name, set()).update(map(_plain, values))
    return {name: Counter(values) for name, values in found.items()}


def difference(wanted: Contents, listed: Contents) -> tuple[int, int]:
    """Return how many elements are missing, and how many nobody wants."""
    names = wanted.keys() | listed.keys()
    pairs = [(wanted.get(name, Counter()), listed.get(name, Counter())) for name in names]
    return sum((a - b).total() for a, b in pairs), sum((b - a).total() for a, b in pairs)


def _plain(element: str) -> str:
    """A network of one address is listed as the address."""
    return _WHOLE.sub("", element.replace('"', "")).lower()


def _text(value: Any) -> str:
    """Write nft's JSON of an element: a word, a concatenation, a prefix, or key and value of a map."""
    match value:
        case [key, mapped]:
            return f"{_text(key)} : {_text(mapped)}"
        case {"concat": parts}:
            return " . ".join(map(_text, parts))
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"range": [first, last]}:
            return f"{_text(first)}-{_text(last)}"
        case _:
            return str(value)
