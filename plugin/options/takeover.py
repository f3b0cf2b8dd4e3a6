"""When the addresses of a dead host are released for others."""

import re

_TEXT = re.compile(r"after ([1-9][0-9]{0,4})([smh])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600}
_SHORTEST, _LONGEST = 31, 86400  # seconds; a host counts as dead 30 s after its last renewal

TAKEOVER_LEGAL = "off, or after and a time with its unit such as after 60s, after 5m or after 1h, from 31s to 24h"


class Delay(int):
    """Seconds for which a host must have been dead; 0 is never."""

    def __str__(self) -> str:
        return takeover_text(self)


NEVER = Delay(0)


def takeover(text: str) -> Delay:
    """Read a delay; "off" is never; raises ValueError."""
    if text == "off":
        return NEVER
    found = _TEXT.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError(text)
    return Delay(seconds)


def takeover_text(seconds: int) -> str:
    """Write ``seconds`` as ``takeover`` reads them."""
    return f"after {seconds}s" if seconds else "off"
