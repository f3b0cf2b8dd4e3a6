"""Statistics of an imaginary kernel."""

from collections.abc import Iterable

from netlink.errors import Missing
from netlink.nft_elements import Element, NamedSet
from netlink.statistics import LinkCounts


class FakeStatistics:
    """Counts of links by name, and of the elements of counted maps."""

    def __init__(self) -> None:
        self.of_links: dict[str, LinkCounts] = {}
        self.of_elements: dict[Element, int] = {}
        self.tables = True

    def links(self, names: Iterable[str]) -> dict[str, LinkCounts]:
        return {name: self.of_links[name] for name in names if name in self.of_links}

    def counted(self, table: str, of: NamedSet) -> dict[bytes, int]:
        if not self.tables:
            raise Missing(table)
        return {element.packed: count for element, count in self.of_elements.items() if element.of is of}
