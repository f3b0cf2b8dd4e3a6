"""Opens the embedded store at start: it is checked, and rebuilt when it is damaged or missing."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from plugin.store.base import Put, Record, Versioned
from plugin.store.rows import decode, prepare
from plugin.store.sqlite.files import FileRow, finish, put_in_place, write_ready
from plugin.store.sqlite.inspection import Kinds, find_damage, salvage
from plugin.store.sqlite.store import SqliteStore

log = structlog.get_logger()

Rebuild = Callable[[Sequence[Record]], Sequence[Record]]


def open_store(path: Path, kinds: Kinds, rebuild: Rebuild, soon: Kinds = ()) -> SqliteStore:
    """Open the database ``path``; the caller holds the lock of its folder.

    Records of the kinds in ``soon`` are listed soon: they are kept until then, as the check of the file decodes them.

    A damaged file is set aside, never deleted. The new one gets the records that could be read, and those that
    ``rebuild`` derives from the kernel and the former. When there is no file, it gets those from the kernel alone.

    Raises:
        Failed: the file or its folder cannot be used, or a newer pynet wrote it.
        Busy: another process keeps it locked.
    """
    interrupted = finish(path)
    if interrupted is not None:
        log.warning(
            "replacement of the store ended, which was interrupted", store=str(path), set_aside=str(interrupted)
        )
    known: dict[str, list[Versioned[Any]]] = {kind.kind: [] for kind in soon}
    if not path.exists():
        _begin(path, rebuild)
        return SqliteStore(path)
    damage = find_damage(path, kinds, partial(_keep, known))
    if damage:
        _replace(path, kinds, rebuild, damage)
        return SqliteStore(path)
    return SqliteStore(path, known)


def _keep(known: Mapping[str, list[Versioned[Any]]], record: Record, revision: int) -> None:
    if record.kind in known:
        known[record.kind].append(Versioned(record, revision))


def _begin(path: Path, rebuild: Rebuild) -> None:
    found = rebuild(())
    if found:
        log.error("store missing, rebuilt from the kernel", store=str(path), rebuilt=len(found))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_ready(path, _rows(found, 1))
        put_in_place(path, "damaged")


def _replace(path: Path, kinds: Kinds, rebuild: Rebuild, damage: str) -> None:
    rows = salvage(path, kinds)
    by_name = {kind.kind: kind for kind in kinds}
    found = rebuild([decode(by_name[row.kind], row.body) for row in rows if row.kind in by_name])
    revision = max((row.revision for row in rows), default=0) + 1
    write_ready(path, [*rows, *_rows(found, revision)])
    aside = put_in_place(path, "damaged")
    log.error(
        "store damaged, set aside and made anew",
        damage=damage,
        store=str(path),
        set_aside=str(aside),
        kept=len(rows),
        rebuilt=len(found),
    )


def _rows(records: Sequence[Record], revision: int) -> list[FileRow]:
    writes = prepare([Put(record) for record in records])
    return [FileRow(write.kind, write.key, revision, write.body) for write in writes if write.body is not None]
