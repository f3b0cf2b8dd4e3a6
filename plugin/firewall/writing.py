"""Writing the tables whole, with those owners closed whose elements nft or the kernel refuses.

It is one transaction, so that nothing is open for a moment; and one refused element would spoil it for everybody. So an
element that has not the form of its set never becomes text, and when the transaction is refused all the same, halves of
it are tried, without writing, until it is known whose elements are to blame.
"""

from collections.abc import Iterable, Mapping, Sequence

from netlink.errors import KernelError
from plugin.firewall.ruleset import Elements, misfit, tables_text
from plugin.ports import Nft

MOST_REFUSED = (
    16  # owners that are looked for; where there are more, something else is wrong, and the rest is closed too
)


class Writing:
    """Writes both tables, and knows which owners were closed, and why."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self._table = table
        self.refused: dict[str, str] = {}  # why, by owner

    def write(self, wanted: Mapping[str, Elements]) -> None:
        """Replace both tables by what is ``wanted``, by owner.

        Raises:
            KernelError: the tables cannot be written, whatever stands in them; nothing was changed.
        """
        refused = misfits(wanted)
        try:
            self._nft.apply(self._text(wanted, refused))
        except KernelError:
            culprits = self._culprits(wanted, refused)
            if not culprits:
                raise
            refused |= culprits
            self._nft.apply(self._text(wanted, refused))
        self.refused = refused

    def admit(self, wanted: Mapping[str, Elements], owner: str) -> Elements:
        """Return what stands in the kernel for ``owner``."""
        elements = wanted.get(owner, {})
        return closed(elements) if owner in self.refused else elements

    def check(self, owner: str) -> None:
        """Raise ``KernelError`` when ``owner`` was closed."""
        if owner in self.refused:
            raise KernelError(self.refused[owner])

    def _text(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> str:
        return tables_text(self._table, [closed(e) if owner in refused else e for owner, e in wanted.items()])

    def _culprits(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> dict[str, str]:
        """Return whose elements are refused, alone or beside those of others; changes nothing."""
        good = {owner: closed(wanted[owner]) for owner in refused}
        self._nft.check(self._text(good, {}))
        found: dict[str, str] = {}
        open_ends: list[Sequence[str]] = [[owner for owner in wanted if owner not in refused]]
        while open_ends:
            some = open_ends.pop()
            if len(found) >= MOST_REFUSED:
                found |= dict.fromkeys(some, f"{MOST_REFUSED} others were refused before it")
                continue
            try:
                self._nft.check(self._text(good | {owner: wanted[owner] for owner in some}, {}))
            except KernelError as error:
                half = len(some) // 2
                if half:
                    open_ends += [some[half:], some[:half]]
                else:
                    found |= {owner: str(error) for owner in some}
            else:
                good |= {owner: wanted[owner] for owner in some}
        return found


def misfits(wanted: Mapping[str, Elements]) -> dict[str, str]:
    """Return the owners with elements that have not the form of their set, and what is wrong with them."""
    return {owner: why for owner, elements in wanted.items() if (why := misfit(elements))}


def closed(elements: Elements) -> Elements:
    """Return what closes an owner in the place of its elements: see ``shut_elements``."""
    ports = (name for kind in ("guarded", "closed", "tunnels") for name in elements.get(kind, ()))
    return shut_elements(elements.get("links", ()), ports)


def shut_elements(links: Iterable[str], ports: Iterable[str]) -> Elements:
    """Return what makes networks, by their links, internal, and lets nothing in by ports: guarded, nothing allowed."""
    fit = [name for name in dict.fromkeys(links) if not misfit({"links": [name]})]
    shut = [name for name in dict.fromkeys(ports) if not misfit({"links": [name]})]
    return {"links": fit, "internal": fit, "guarded": shut}
