"""The record in the cluster store that tells the other hosts this host's public keys."""

from collections import deque
from collections.abc import Sequence

import structlog

from plugin.cluster.removals import Removals
from plugin.cluster.secrecy.life import Life
from plugin.cluster.secrecy.records import HostKeys, PublicKey
from plugin.protocol.messages import Address
from plugin.store.base import Put, Remove, SharedStore

log = structlog.get_logger()

REMEMBERED = 8  # records that this host wrote, and that the watch of the store may report late


class OwnRecord:
    """Writes and removes it, for the ``host`` that the others reach at ``address``. One thread at a time may use it.

    Every verb may raise ``PynetError``.
    """

    def __init__(self, store: SharedStore, removals: Removals, host: str, address: Address, life: Life) -> None:
        self._store = store
        self._removals = removals
        self._host = host
        self._address = address
        self._life = life
        self._published: HostKeys | None = None
        self._written = deque[HostKeys](maxlen=REMEMBERED)
        self._echoed = False  # whether the watch has reported one of these

    def write(self, keys: Sequence[PublicKey], sends: int, there: HostKeys | None) -> None:
        """Write the record unless it is as it should be; with 0, ``sends`` stays.

        ``there`` is the record that the watch of the store reported last.
        """
        before = self._published or there
        life = self._life.text(before.life if before else "")
        mine = HostKeys(self._host, self._address, tuple(keys), sends or (before.sends if before else 0), life)
        ours = there in self._written or (there is None and not self._echoed)  # the watch may be late
        if there and not ours and self._published:
            log.error("another host writes the keys of this one: its state folder was copied", host=self._host)
        self._echoed |= there in self._written
        if not ours or self._published != mine:
            self._removals.keep(mine)
            self._store.transact(Put(mine))
            self._published = mine
            self._written.append(mine)

    def remove(self) -> None:
        """Remove the record, as soon as the store is there."""
        mine, self._published, self._echoed = self._published, None, False
        if mine is not None:
            self._removals.take_back(mine)

    def sweep(self) -> None:
        """Remove a record that an earlier process left."""
        if self._store.get(HostKeys, self._host):
            self._store.transact(Remove(HostKeys, self._host))
