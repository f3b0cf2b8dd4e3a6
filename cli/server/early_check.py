"""Looks for damage in the store of a large host, in a copy of this process while this one loads the program."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from plugin.background.beside import beside

LARGE = 256 << 10  # bytes of a store, below which it is read sooner than the copy has loaded what reads it


@contextmanager
def early_check(store: Path, cores: int = 0) -> Iterator[Callable[[], str] | None]:
    """Begin to check ``store``; yield a function that waits for its damage, None where it is checked as well later.

    The caller has the lock of the state folder. ``cores`` are those of this process.
    """
    size = 0
    with suppress(OSError):
        size = store.stat().st_size
    if size < LARGE or (cores or len(os.sched_getaffinity(0))) == 1:
        yield None
        return
    with beside(partial(_damage, store)) as check:
        yield check


def _damage(store: Path) -> str:
    from cli.server.records import KINDS
    from plugin.store.sqlite.inspection import find_damage

    return find_damage(store, KINDS)
