"""Errors that the verbs of a driver have in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from netlink.errors import KernelError
from plugin.errors import Conflict, Failed
from plugin.store.base import StoreConflict


@contextmanager
def as_failed() -> Iterator[None]:
    """Turn an error of the kernel or of a concurrent writer into ``Failed``, with the sentence that the user reads."""
    try:
        yield
    except (KernelError, StoreConflict) as error:
        failed = Failed(str(error))
        for note in getattr(error, "__notes__", []):
            failed.add_note(note)
        raise failed from error


def refuse_difference(what: str, identity: str, *, same: bool) -> None:
    """Raise ``Conflict`` if the engine creates a thing again with other settings than before."""
    if not same:
        raise Conflict(f"{what} '{identity[:12]}' exists already with other settings")
