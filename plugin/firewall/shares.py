"""Elements that several owners have: each stands in the kernel once, and goes with the last of its owners.

Two endpoints may publish one port number of two addresses, which is one element of the set of relayed ports; an
endpoint that the engine gave up and the one that got its address have the same ones too. A key of a map leads to one
value alone: whoever has it keeps it, and another one that wants to lead it elsewhere is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from netlink.setelem import ElementChange
from plugin.firewall.ruleset import MAPS, PORTS_OF, changes
from plugin.model.elements import Elements

_EVERYWHERE = {"anywhere4": "0.0.0.0", "anywhere6": "::"}  # noqa: S104 - no address to bind


class Shares:
    """What each owner has, how many have an element, and where the keys of maps lead. Costs follow what changes."""

    def __init__(self, contents: Mapping[str, Elements] | None = None) -> None:
        self._has: dict[str, Elements] = {}  # by owner
        self._owners: dict[str, dict[str, int]] = {}  # set or map -> element -> how many have it
        self._keys: dict[str, dict[str, str]] = {name: {} for name in MAPS}  # map -> key -> element
        for owner, elements in (contents or {}).items():
            self.give(owner, elements)

    def of(self, owner: str) -> Elements:
        """Return what ``owner`` has."""
        return self._has.get(owner, {})

    def contents(self) -> Sequence[Elements]:
        """Return what all owners have, by owner."""
        return list(self._has.values())

    def give(self, owner: str, elements: Elements) -> list[ElementChange]:
        """Let ``owner`` have ``elements`` and nothing else; return what is to change in the kernel for it."""
        before = self._has.pop(owner, {})
        if elements:
            self._has[owner] = elements
        gone = {name: list(self._drop(name, values)) for name, values in _only_in(before, elements)}
        return changes(gone, {name: list(self._take(name, values)) for name, values in _only_in(elements, before)})

    def claimed(self, owner: str, elements: Elements) -> str:
        """Say which key ``elements`` lead elsewhere than another owner does, or to two places at once; else ""."""
        for name in MAPS & elements.keys():
            own, new = frozenset(self.of(owner).get(name, ())), dict[str, str]()
            for element in elements[name]:
                key = _key(element)
                if new.setdefault(key, element) != element:
                    return _sentence(name, key, owner)
                there = self._keys[name].get(key, element)
                if there != element and self._owners[name][there] > (there in own):
                    return _sentence(name, key, self._holder(name, there, owner))
        return ""

    def _drop(self, name: str, values: Iterable[str]) -> Iterator[str]:
        """Count ``values`` down, and yield those that nobody has any more."""
        owners, keys = self._owners[name], self._keys.get(name)
        for value in values:
            owners[value] -= 1
            if not owners[value]:
                del owners[value]
                if keys is not None:
                    del keys[_key(value)]
                yield value

    def _take(self, name: str, values: Iterable[str]) -> Iterator[str]:
        """Count ``values`` up, and yield those that nobody had."""
        owners, keys = self._owners.setdefault(name, {}), self._keys.get(name)
        for value in values:
            owners[value] = owners.get(value, 0) + 1
            if owners[value] == 1:
                if keys is not None:
                    keys[_key(value)] = value
                yield value

    def _holder(self, name: str, element: str, but: str) -> str:
        return next(owner for owner, has in self._has.items() if owner != but and element in has.get(name, ()))


def _only_in(some: Elements, others: Elements) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield what ``some`` has and ``others`` has not, each element once."""
    for name, values in some.items():
        if values != others.get(name):
            known = frozenset(others.get(name, ()))
            yield name, [value for value in dict.fromkeys(values) if value not in known]


def _key(element: str) -> str:
    return element.partition(" : ")[0]


def _sentence(name: str, key: str, owner: str) -> str:
    """Say that a key is another's, in words of ports; what the keys of the other maps are, links, only one has."""
    if not owner.startswith(PORTS_OF):
        return f"write '{key}' into nftables map '{name}': '{owner}' has it already"
    *address, proto, port = key.split(" . ")
    where, holder = "".join(address) or _EVERYWHERE[name], owner.removeprefix(PORTS_OF)[:12]
    return f"publish port {port}/{proto} on {where}: port is already allocated, to endpoint '{holder}'"
