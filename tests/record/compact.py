"""From a recording to contract data: of requests with the same shape the first is kept."""

import json
from pathlib import Path
from typing import Any


def shape(value: Any) -> Any:
    """Return the shape of a message: keys, types, and whether a text, list or map is empty."""
    if isinstance(value, dict):
        return tuple((key, shape(item)) for key, item in sorted(value.items()))
    if isinstance(value, list):
        return (type(value).__name__, *sorted({repr(shape(item)) for item in value}))
    return type(value).__name__, bool(value)


def compact(recording: Path, result: Path) -> int:
    """Write one line for each method and shape of request, and return how many there are."""
    kept: dict[Any, dict[str, Any]] = {}
    for line in recording.read_text().splitlines():
        entry = json.loads(line)
        body = json.loads(entry["body"]) if entry["body"].strip() else None
        kept.setdefault((entry["method"], shape(body)), {key: entry[key] for key in ("method", "headers", "body")})
    result.write_text("".join(json.dumps(entry) + "\n" for entry in kept.values()))
    return len(kept)
