"""Compares pynet's two tables, as nft lists them, with what was written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from netlink.errors import Missing
from netlink.nft_elements import Element, NamedSet
from plugin.firewall.ruleset import RULES
from plugin.firewall.sets import SETS
from plugin.interfaces import Nft
from plugin.model.elements import Elements

log = structlog.get_logger()

NAMES = {of.name: of for of in SETS}


class Listing:
    """Lists both tables, and remembers how the kernel listed the rules that were written."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self._table = table
        self.rules: list[str] | None = None  # the static rules as the kernel listed them; None: no tables, or unknown
        self._comparable = True  # whether this nft lists elements as expected

    def keep(self) -> None:
        """Remember the rules that are in the kernel as the ones that were written."""
        self.rules = self.tables()

    def tables(self) -> list[str] | None:
        """Return both tables as the kernel has them, without elements."""
        try:
            return [self._nft.rules(f"table {family} {self._table}") for family in RULES]
        except Missing:
            return None

    def complaint(self, contents: Sequence[Elements] | None) -> str:
        """Say what is wrong with the tables, or nothing; without ``contents`` elements are not compared."""
        listed = self.tables()
        if listed is None:
            return "are missing"
        if listed != self.rules:
            return "have other rules than pynet wrote"
        if contents is not None and self._comparable and any(wrong := self._wrong_elements(contents)):
            return "lack {} elements and have {} that nobody wants".format(*wrong)
        return ""

    def learn(self, contents: Sequence[Elements]) -> None:
        """Stop comparing elements if they differ right after they were written: the repairs would never end."""
        if self._comparable and any(self._wrong_elements(contents)):
            self._comparable = False
            log.warning("this nft lists elements in another form; they are not compared", table=self._table)

    def _wrong_elements(self, contents: Sequence[Elements]) -> tuple[int, int]:
        listed = [item for family in RULES for item in self._nft.list(f"table {family} {self._table}")]
        return difference(contents, listed_elements(listed))


def listed_elements(objects: Iterable[Mapping[str, Any]], names: Mapping[str, NamedSet] = NAMES) -> list[Element]:
    """Return the elements of the sets and maps ``names`` in nft's JSON listing of a table."""
    containers = [item.get("set") or item.get("map") or {} for item in objects]
    known = [(names.get(one.get("name", "")), one.get("elem", ())) for one in containers]
    return [of.read(element) for of, elements in known if of for element in elements]


def difference(contents: Iterable[Elements], listed: Iterable[Element]) -> tuple[int, int]:
    """Return how many elements are missing, and how many nobody wants."""
    wanted, found = {element for elements in contents for element in elements}, frozenset(listed)
    return len(wanted - found), len(found - wanted)
