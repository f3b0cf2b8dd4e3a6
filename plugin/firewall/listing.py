"""What stands in the sets and maps of a table, as nft lists it, in the words in which pynet writes it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from netlink.errors import Missing
from netlink.setelem import PROTOCOLS
from plugin.firewall.bridge_rules import COUNTED
from plugin.firewall.ruleset import FAMILIES
from plugin.interfaces import Nft
from plugin.model.elements import Elements

log = structlog.get_logger()

_WHOLE = re.compile(r"/32\b|/128\b")
Contents = Mapping[str, Counter[str]]  # set or map -> its elements


class Listing:
    """What the kernel lists of both tables, and how it listed the rules that were written."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self._table = table
        self.rules: list[str] | None = None  # the static rules as the kernel listed them; None: no tables, or unknown
        self._comparable = True  # whether this nft lists elements in the words in which they are written

    def keep(self) -> None:
        """Take the rules that are there for those that were written."""
        self.rules = self.tables()

    def tables(self) -> list[str] | None:
        """Return both tables as the kernel has them, without elements."""
        try:
            return [self._nft.rules(f"table {family} {self._table}") for family in FAMILIES]
        except Missing:
            return None

    def complaint(self, contents: Sequence[Elements] | None) -> str:
        """Say what is wrong with the tables, or nothing; without ``contents`` elements are not looked at."""
        listed = self.tables()
        if listed is None:
            return "are missing"
        if listed != self.rules:
            return "have other rules than pynet wrote"
        if contents is not None and self._comparable and any(wrong := self._wrong_elements(contents)):
            return "lack {} elements and have {} that nobody wants".format(*wrong)
        return ""

    def learn(self, contents: Sequence[Elements]) -> None:
        """Stop comparing elements where they differ right after they were written: it would never end."""
        if self._comparable and any(self._wrong_elements(contents)):
            self._comparable = False
            log.warning(
                "this nft lists elements in other words than expected; they are not compared", table=self._table
            )

    def _wrong_elements(self, contents: Sequence[Elements]) -> tuple[int, int]:
        listed = [item for family in FAMILIES for item in self._nft.list(f"table {family} {self._table}")]
        return difference(wanted_contents(contents), listed_contents(listed))


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
    """A protocol is listed as its number, and a network of one address as the address."""
    words = " ".join(str(PROTOCOLS.get(word, word)) for word in element.split(" "))
    return _WHOLE.sub("", words.replace('"', "")).lower()


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
