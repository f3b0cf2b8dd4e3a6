"""Reads SQLite's write-ahead log to tell a torn end from damage: SQLite silently stops at the first bad frame.

Each commit is flushed before the next begins, so a crash leaves at most one incomplete commit. A bad frame that is
followed by two or more commits is therefore damage. Layout: https://www.sqlite.org/fileformat2.html#walformat
"""

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")  # magic, format, page size, sequence, two salts, two checksums
_FRAME = struct.Struct(">6I")  # page, size of the database after a commit or 0, two salts, two checksums
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # and the byte order of the checksums


def wal_damage(path: Path) -> str:
    """Return the damage of a log, or ""; a log that is absent or empty is not damaged."""
    data = path.read_bytes() if path.exists() else b""
    if not data.strip(b"\0"):
        return ""
    if len(data) < _HEADER.size:
        return "its write-ahead log ends within the header"
    magic, _, page_size, _, *salts_and_sums = _HEADER.unpack_from(data)
    salts, sums = tuple(salts_and_sums[:2]), tuple(salts_and_sums[2:])
    order = _MAGIC.get(magic)
    if order is None or _checksum(order, data[: _HEADER.size - 8], (0, 0)) != sums:
        return "the header of its write-ahead log is damaged"
    lost = _commits_behind_a_bad_frame(data, order, page_size, salts, sums)
    return f"its write-ahead log is damaged before {lost} commits" if lost > 1 else ""


def _commits_behind_a_bad_frame(
    data: bytes, order: str, page_size: int, salts: tuple[int, ...], sums: tuple[int, ...]
) -> int:
    """Count the commits after the first bad frame; frames left from before a checkpoint have other salts."""
    good, lost = True, 0
    step = _FRAME.size + page_size
    for at in range(_HEADER.size, len(data) - step + 1, step):
        _, size, *rest = _FRAME.unpack_from(data, at)
        if tuple(rest[:2]) != salts:
            good = False
            continue
        if good:
            sums = _checksum(order, data[at : at + 8] + data[at + _FRAME.size : at + step], sums)
            good = sums == tuple(rest[2:])
        if not good and size:
            lost += 1
    return lost


def _checksum(order: str, data: bytes, start: tuple[int, ...]) -> tuple[int, int]:
    """Return SQLite's checksum of ``data``, a multiple of eight bytes long, continued from ``start``."""
    first, second = start
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for even, odd in zip(words, words, strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
