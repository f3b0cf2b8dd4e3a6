"""Elements of pynet's sets and maps as tests write them: in nft's language."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from netlink.nft_elements import PROTOCOLS, Element
from plugin.firewall.sets import SETS
from plugin.model.elements import Elements

SET = {of.name: of for of in SETS}


def written(texts: Mapping[str, Iterable[str]]) -> Elements:
    """Return the elements of each set that is named."""
    return [SET[name].read(as_listed(text)) for name, some in texts.items() for text in some]


def texts(elements: Iterable[Element]) -> dict[str, list[str]]:
    """Return the elements by set."""
    found: dict[str, list[str]] = {}
    for element in elements:
        found.setdefault(element.of.name, []).append(element.text)
    return found


def as_listed(text: str) -> Any:
    """Return the JSON in which nft lists an element: see libnftables-json(5)."""
    key, _, value = text.partition(" : ")
    if value:
        return [as_listed(key), as_listed(value)]
    parts = [_part(word) for word in text.split(" . ")]
    return {"concat": parts} if len(parts) > 1 else parts[0]


def _part(word: str) -> Any:
    if "/" in word:
        address, _, length = word.partition("/")
        return {"prefix": {"addr": address, "len": int(length)}}
    if re.fullmatch("0x[0-9a-f]+-0x[0-9a-f]+", word):
        return {"range": word.split("-")}
    if "-" in word and not word.startswith('"'):
        return {"range": [_part(end) for end in word.split("-")]}
    return int(word) if word.isascii() and word.isdigit() else PROTOCOLS.get(word, word.strip('"'))
