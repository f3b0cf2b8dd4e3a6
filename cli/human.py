"""Words for people."""

import math

_DAY = 86400  # seconds
_UNITS = (  # seconds below which a unit is used, and its length in seconds
    (60, 1, "second"),
    (3600, 60, "minute"),
    (48 * 3600, 3600, "hour"),
    (14 * _DAY, _DAY, "day"),
    (60 * _DAY, 7 * _DAY, "week"),
    (730 * _DAY, 30 * _DAY, "month"),
    (math.inf, 365 * _DAY, "year"),
)

_PREFIXES = ("", "k", "M", "G", "T", "P")


def count(number: int, noun: str) -> str:
    """Return "1 endpoint" or "2 endpoints"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def amount(number: float) -> str:
    """Return a number with a decimal prefix, such as "1.2 M", for a unit to follow: "950 ", "1.2 M", "12 k"."""
    power = next((power for power in range(len(_PREFIXES)) if number < 999.5 * 1000**power), len(_PREFIXES) - 1)
    value = number / 1000**power
    return f"{value:.1f} {_PREFIXES[power]}" if power and value < 9.95 else f"{value:.0f} {_PREFIXES[power]}"


def ago(seconds: float) -> str:
    """Return an age of ``seconds`` in the words of Docker (docker/go-units, HumanDuration)."""
    if seconds < 1:
        return "Less than a second ago"
    length, unit = next((length, unit) for limit, length, unit in _UNITS if seconds < limit)
    count = (int(seconds) + (length // 2 if unit == "hour" else 0)) // length
    if count == 1 and unit in {"minute", "hour"}:
        return f"About {'an' if unit == 'hour' else 'a'} {unit} ago"
    return f"{count} {unit}{'s' * (count != 1)} ago"
