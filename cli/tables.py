"""Prints values for people as tables, and for scripts as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any


def as_json(value: Any) -> str:
    """Return a value for scripts; dataclasses in it become objects."""
    return json.dumps(value, indent=2, default=asdict)


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the heads of the columns first, with columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
