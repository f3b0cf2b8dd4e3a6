"""Counts the owners of each element: it is in the kernel once, and goes when its last owner goes.

Two endpoints may publish one port number of two addresses, which is one element of the set of relayed ports; an
endpoint that the engine gave up and the one that got its address have the same elements too. A key of a map leads to
one value: the owner that has it keeps it, and another owner that wants to lead it elsewhere is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from netlink.nft_elements import Element, NamedSet
from plugin.firewall.sets import PUBLISHED_ANY
from plugin.model.elements import Elements

PORTS_OF = "ports of "  # begins the name of an owner whose elements publish the ports of an endpoint
_EVERYWHERE = {PUBLISHED_ANY[4]: "0.0.0.0", PUBLISHED_ANY[6]: "::"}  # noqa: S104 - no address to bind


class Shares:
    """The elements of each owner, the number of owners of each element, and the keys of maps.

    A change costs as much as it changes.
    """

    def __init__(self, contents: Mapping[str, Elements] | None = None) -> None:
        self._has: dict[str, Elements] = {}  # by owner
        self._owners: dict[Element, int] = {}  # how many have it
        self._keys: dict[NamedSet, dict[bytes, Element]] = {}  # map -> key -> element
        for owner, elements in (contents or {}).items():
            self.give(owner, elements)

    def of(self, owner: str) -> Elements:
        """Return the elements of ``owner``."""
        return self._has.get(owner, ())

    def contents(self) -> Sequence[Elements]:
        """Return the elements of all owners, by owner."""
        return list(self._has.values())

    def give(self, owner: str, elements: Elements) -> tuple[list[Element], list[Element]]:
        """Replace what ``owner`` has by ``elements``; return what to delete from the kernel, and what to add."""
        before = self._has.pop(owner, ())
        if elements:
            self._has[owner] = elements
        return list(self._drop(_only_in(before, elements))), list(self._take(_only_in(elements, before)))

    def claimed(self, owner: str, elements: Elements) -> str:
        """Say which key ``elements`` lead elsewhere than another owner does, or to two places at once; else ""."""
        own, new = frozenset(self.of(owner)), dict[tuple[NamedSet, bytes], Element]()
        for element in elements:
            if element.of.value:
                if new.setdefault((element.of, element.key), element) != element:
                    return _sentence(element, owner)
                there = self._keys.get(element.of, {}).get(element.key, element)
                if there != element and self._owners[there] > (there in own):
                    return _sentence(element, self._holder(there, owner))
        return ""

    def _drop(self, elements: Iterable[Element]) -> Iterator[Element]:
        """Count ``elements`` down, and yield those that have no owner left."""
        for element in elements:
            self._owners[element] -= 1
            if not self._owners[element]:
                del self._owners[element]
                if element.of.value:
                    del self._keys[element.of][element.key]
                yield element

    def _take(self, elements: Iterable[Element]) -> Iterator[Element]:
        """Count ``elements`` up, and yield those that had no owner."""
        for element in elements:
            self._owners[element] = known = self._owners.get(element, 0) + 1
            if known == 1:
                if element.of.value:
                    self._keys.setdefault(element.of, {})[element.key] = element
                yield element

    def _holder(self, element: Element, but: str) -> str:
        return next(owner for owner, has in self._has.items() if owner != but and element in has)


def _only_in(some: Elements, others: Elements) -> Iterable[Element]:
    """Return the elements of ``some`` that ``others`` lack, each once."""
    if some == others:
        return ()
    known = frozenset(others)
    return [element for element in dict.fromkeys(some) if element not in known]


def _sentence(element: Element, owner: str) -> str:
    """Say that a key has another owner, in words of ports; keys of other maps are links, which have one owner."""
    key = element.text.partition(" : ")[0]
    if not owner.startswith(PORTS_OF):
        return f"write '{key}' into nftables map '{element.of.name}': '{owner}' has it already"
    *address, proto, port = key.split(" . ")
    where, holder = "".join(address) or _EVERYWHERE[element.of], owner.removeprefix(PORTS_OF)[:12]
    return f"publish port {port}/{proto} on {where}: port is already allocated, to endpoint '{holder}'"
