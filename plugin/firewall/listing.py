"""Compares pynet's two tables, as nft lists them, with what was written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from netlink.errors import Missing
from netlink.nft_elements import Element, NamedSet
from plugin.firewall.sets import SETS
from plugin.interfaces import Nft
from plugin.model.elements import Elements

log = structlog.get_logger()

NAMES = {of.name: of for of in SETS}


class Listing:
    """Lists both tables, and remembers how the kernel listed the static parts that were written."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self.table = table
        self.parts: Sequence[bytes] | None = None  # the static parts as they were listed; None: no tables, or unknown
        self.written_at: int | None = None  # number of the ruleset before the tables were written
        self._comparable = True  # whether this kernel lists elements as expected

    def keep(self, number: int) -> None:
        """Remember the static parts that are in the kernel as the ones that were written.

        ``number`` is the number of the ruleset before that (``Nft.generation``).
        """
        self.parts, self.written_at = self.tables(), number

    def tables(self) -> Sequence[bytes] | None:
        """Return the static parts of both tables as the kernel has them, None without them."""
        try:
            return self._nft.static_parts(self.table)
        except Missing:
            return None

    def complaint(self, contents: Sequence[Elements] | None) -> str:
        """Say what is wrong with the tables, or nothing; without ``contents`` elements are not compared."""
        listed = self.tables()
        if listed is None:
            return "are missing"
        if listed != self.parts:
            return "have other rules than pynet wrote"
        try:
            wrong = self._wrong_elements(contents) if contents is not None and self._comparable else (0, 0)
        except Missing:
            return "are missing"
        return "lack {} elements and have {} that nobody wants".format(*wrong) if any(wrong) else ""

    def distrust(self) -> None:
        """Stop comparing elements that differ although nobody has changed them: the repairs would never end."""
        self._comparable = False
        log.warning("this kernel lists elements in another form; they are not compared", table=self.table)

    def _wrong_elements(self, contents: Iterable[Elements]) -> tuple[int, int]:
        """Return how many elements are missing, and how many nobody wants; one set at a time is in memory."""
        wanted: dict[NamedSet, set[bytes]] = {of: set() for of in SETS}
        for elements in contents:
            for element in elements:
                wanted[element.of].add(element.packed)
        wrong = [_difference(some, self._nft.elements_of(self.table, of)) for of, some in wanted.items()]
        return sum(missing for missing, _ in wrong), sum(unwanted for _, unwanted in wrong)


def listed_elements(objects: Iterable[Mapping[str, Any]], names: Mapping[str, NamedSet] = NAMES) -> list[Element]:
    """Return the elements of the sets and maps ``names`` in nft's JSON listing of a table."""
    containers = [item.get("set") or item.get("map") or {} for item in objects]
    known = [(names.get(one.get("name", "")), one.get("elem", ())) for one in containers]
    return [of.read(element) for of, elements in known if of for element in elements]


def _difference(wanted: set[bytes], listed: Iterable[bytes]) -> tuple[int, int]:
    found = frozenset(listed)
    return len(wanted - found), len(found - wanted)
