"""Reads SQLite's write-ahead log to tell a torn end from damage: SQLite silently stops at the first bad frame.

Each commit is flushed before the next begins, so a crash leaves at most one incomplete commit. A bad frame that is
followed by two or more commits is therefore damage. SQLite itself adds up the checksums when it opens the log, in a
tenth of the time, and its index of the log says how many frames are good. Layout:
https://www.sqlite.org/fileformat2.html#walformat and https://www.sqlite.org/walformat.html#the_wal_index_header
"""

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, format, page size, sequence, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, size of the database after a commit or 0, two salts, two checksums
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # and the byte order of the checksums
_GOOD = struct.Struct("=16xI")  # frames that SQLite reads, up to the last good commit


def wal_damage(log: Path, index: Path) -> str:
    """Return the damage of a log, or ""; a log that is absent or empty is not damaged.

    ``index`` is the index that SQLite has made of it: a connection that has read something is open.
    """
    data = log.read_bytes() if log.exists() else b""
    if not data.strip(b"\0"):
        return ""
    if len(data) < _HEADER.size:
        return "its write-ahead log ends within the header"
    magic, _, page_size, _, *salts_and_sums = _HEADER.unpack_from(data)
    salts, sums = tuple(salts_and_sums[:2]), tuple(salts_and_sums[2:])
    order = _MAGIC.get(magic)
    if order is None or _checksum(order, data[: _HEADER.size - 8]) != sums:
        return "the header of its write-ahead log is damaged"
    lost = _commits_after(_good_frames(index), data, page_size, salts)
    return f"its write-ahead log is damaged before {lost} commits" if lost > 1 else ""


def _good_frames(index: Path) -> int:
    head = index.read_bytes()[: _GOOD.size] if index.exists() else b""
    return int(_GOOD.unpack(head)[0]) if len(head) == _GOOD.size else 0


def _commits_after(good: int, data: bytes, page_size: int, salts: tuple[int, ...]) -> int:
    """Count the commits behind the good frames; frames left from before a checkpoint have other salts."""
    step = _FRAME.size + page_size
    frames = [_FRAME.unpack_from(data, at) for at in range(_HEADER.size + good * step, len(data) - step + 1, step)]
    return sum(1 for _, size, *rest in frames if size and tuple(rest[:2]) == salts)


def _checksum(order: str, data: bytes) -> tuple[int, int]:
    """Return SQLite's checksum of ``data``, a multiple of eight bytes long."""
    first = second = 0
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even, odd in zip(words, words, strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
