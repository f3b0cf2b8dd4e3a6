"""The identity of a link of the host upon which the links of containers are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parent:
    """A link by its ``index`` and ``mac`` in the boot ``boot``, in which no other link gets that index."""

    index: int
    mac: str
    boot: str
