"""Writes the tables whole, and closes owners whose elements nft or the kernel refuses.

The tables are written in one transaction, so that nothing is open for a moment; but one refused element would fail it
for everybody. So an element that does not fit its set never becomes text, and if the transaction is refused all the
same, halves of it are checked, without writing, until the owners of the refused elements are found.
"""

from collections.abc import Mapping, Sequence

from netlink.errors import KernelError
from plugin.firewall.elements import closed
from plugin.firewall.ruleset import tables_text
from plugin.interfaces import Nft
from plugin.model.elements import Elements

MOST_REFUSED = 16  # owners to find; if there are more, something else is wrong, and the rest is closed too


class Writing:
    """Writes both tables."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self._table = table

    def write(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> Mapping[str, str]:
        """Replace both tables by the elements of each owner; return the owners that were closed instead, and why.

        The owners in ``refused`` are closed without asking the kernel.

        Raises:
            KernelError: the tables cannot be written, whatever their elements are; nothing was changed.
        """
        try:
            self._nft.apply(self._text(wanted, refused))
        except KernelError:
            culprits = self._culprits(wanted, refused)
            if not culprits:
                raise
            refused = {**refused, **culprits}
            self._nft.apply(self._text(wanted, refused))
        return refused

    def _text(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> str:
        return tables_text(self._table, [closed(e) if owner in refused else e for owner, e in wanted.items()])

    def _culprits(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> dict[str, str]:
        """Return the owners whose elements are refused, alone or beside those of others, and why; change nothing."""
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
