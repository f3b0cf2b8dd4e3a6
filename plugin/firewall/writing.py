"""Writes the tables whole, and closes owners whose elements nft or the kernel refuses.

The tables are written in one transaction, so that nothing is open for a moment; but one refused element would fail it
for everybody. So an element that does not fit its set never becomes text, and if the transaction is refused all the
same, halves of it are checked, without writing, until the owners of the refused elements are found.

If there are no tables and many elements, as after a flush, the static rules are written first and then the elements as
packed messages: until then nothing is more open than without tables, and it ends in a quarter of the time. CPU seconds
with 50,000 elements: 0.25 against 1.0.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from netlink.errors import KernelError
from plugin.firewall.elements import closed
from plugin.firewall.ruleset import remove_text, tables_text
from plugin.interfaces import Nft
from plugin.model.elements import Elements

log = structlog.get_logger()

MANY = 2000  # elements that are worth two transactions
MOST_REFUSED = 16  # owners to find; if there are more, something else is wrong, and the rest is closed too


class Writing:
    """Writes both tables."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self._table = table
        self._logged = True  # whether this kernel can log packets, as far as is known

    def write(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> Mapping[str, str]:
        """Replace both tables by the elements of each owner; return the owners that were closed instead, and why.

        The owners in ``refused`` are closed without asking the kernel.

        Raises:
            KernelError: the tables cannot be written, whatever their elements are; nothing was changed.
        """
        if self._written_packed(wanted, refused):
            return refused
        try:
            self._nft.apply(self._text(wanted, refused))
        except KernelError:
            if self._logged and self._takes_no_log():
                return self.write(wanted, refused)
            culprits = self._culprits(wanted, refused)
            if not culprits:
                raise
            refused = {**refused, **culprits}
            self._nft.apply(self._text(wanted, refused))
        return refused

    def _written_packed(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> bool:
        """Write many elements into new tables; return whether that was done, and leave no tables if it fails."""
        if sum(map(len, wanted.values())) < MANY or self._nft.exists(self._table):
            return False
        contents = [closed(own) if owner in refused else own for owner, own in wanted.items()]
        try:
            self._nft.apply(tables_text(self._table, [], logged=self._logged))
            self._nft.change(self._table, [], [element for own in contents for element in own])
        except KernelError as error:
            log.info("elements not written as packed messages, so as text", table=self._table, error=str(error))
            self._nft.apply(remove_text(self._table))
            return False
        return True

    def _text(self, wanted: Mapping[str, Elements], refused: Mapping[str, str]) -> str:
        contents = [closed(e) if owner in refused else e for owner, e in wanted.items()]
        return tables_text(self._table, contents, logged=self._logged)

    def _takes_no_log(self) -> bool:
        """Return whether the kernel refuses the rules only because they log packets; then they are left out."""
        try:
            self._nft.check(tables_text(self._table, []))
        except KernelError as error:
            with suppress(KernelError):
                self._nft.check(tables_text(self._table, [], logged=False))
                self._logged = False
                log.warning("kernel cannot log packets, so 'pynet drops -f' shows none", error=str(error))
        return not self._logged

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
