"""Removals of this host's own records from the cluster store, which may be away."""

from typing import Protocol

from plugin.store.base import Record


class Removals(Protocol):
    """Removes this host's records from the cluster store, now or when it is back (``cluster.addresses.outbox``)."""

    def take_back(self, *records: Record) -> bool:
        """Remove records that are exactly these; return whether that is done, and not durably left for later."""

    def keep(self, *records: Record) -> None:
        """Cancel removals that wait, of records that are exactly these: they are about to be written again."""
