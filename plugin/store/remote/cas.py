"""The decision after a store refused a compare-and-set transaction: a conflict, or our own earlier attempt."""

from collections.abc import Mapping, Sequence

from plugin.store.base import ABSENT
from plugin.store.rows import Row, Write, changing, check

Found = Mapping[tuple[str, str], Row]  # by kind and key; records that do not exist may be left out


def carried_out(writes: Sequence[Write], found: Found, *, repeated: bool) -> bool:
    """Return whether an earlier attempt of the transaction ``writes`` did everything.

    ``found`` are the records as they are now. ``repeated`` says that the connection broke during an earlier attempt,
    which the server may have carried out. Then the next attempt is refused because of the first, and every record is as
    ``writes`` want it. Records that two hosts may write with the same content therefore need a field that tells the
    writers apart.

    Raises:
        StoreConflict: a record is not at the revision that was expected.
    """
    missing = Row("", ABSENT)
    if repeated and all(found.get(at, missing).body == write.body for at, write in changing(writes).items()):
        return True
    for write in writes:
        check(write, found.get((write.kind, write.key), missing).revision)
    return False
