"""Finds who holds something that several may hold, such as a name or an address. No I/O."""

from collections.abc import Iterable
from typing import Generic, TypeVar

Held = TypeVar("Held")


class Holders(Generic[Held]):
    """Keys by what they hold, in the order in which they came. One thread changes it, others may read meanwhile."""

    def __init__(self) -> None:
        self._keys: dict[Held, tuple[str, ...]] = {}

    def of(self, held: Held) -> tuple[str, ...]:
        """Return the keys that hold something."""
        return self._keys.get(held, ())

    def add(self, key: str, held: Iterable[Held]) -> None:
        """Note that a key, which held nothing, holds all of ``held``."""
        for each in dict.fromkeys(held):
            self._keys[each] = (*self.of(each), key)

    def remove(self, key: str, held: Iterable[Held]) -> None:
        """Note that a key holds nothing of ``held`` any more, all of which it held."""
        for each in dict.fromkeys(held):
            others = tuple(other for other in self._keys[each] if other != key)
            if others:
                self._keys[each] = others
            else:
                del self._keys[each]
