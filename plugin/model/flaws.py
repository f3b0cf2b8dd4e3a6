"""Finds flaws in records of a store that hosts share; a flaw is a few words, "" is none."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from plugin.options.unicast import is_machines_mac

LONGEST = 255  # characters
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def text_flaw(value: Any, name: str = "it") -> str:
    """Return the first bad text in the fields of a record; addresses were already read without zones."""
    if isinstance(value, str):
        if len(value) > LONGEST:
            return f"{name} has {len(value)} characters, more than {LONGEST}"
        return "" if value.isprintable() else f"{name} is {value!a}, with characters that cannot be printed"
    return first(*(text_flaw(part, part_name or name) for part_name, part in _parts(value)))


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from (("", part) for pair in value.items() for part in pair)
    elif isinstance(value, list | tuple):
        yield from (("", part) for part in value)
    elif is_dataclass(value):
        yield from ((f"'{part.name}'", getattr(value, part.name)) for part in fields(value))


def mac_flaw(mac: str) -> str:
    """Return a flaw unless the text is the MAC of one machine: six bytes, neither zero nor a group's."""
    if not _MAC.fullmatch(mac):
        return f"'mac' is {mac!a}, not six bytes"
    return "" if is_machines_mac(mac) else f"'mac' is {mac}, which is no machine's"


def number_flaw(name: str, value: int, low: int, high: int) -> str:
    """Return a flaw unless the number is in its range."""
    return "" if low <= value <= high else f"'{name}' is {value}, not from {low} to {high}"


def name_flaw(name: str, value: str) -> str:
    """Return a flaw unless there is a name without the characters that separate the parts of a key."""
    return "" if value and not set(value) & set("/#@") else f"'{name}' is {value!a}, which is no name"


def first(*flaws: str) -> str:
    """Return the first flaw."""
    return next(filter(None, flaws), "")


def record_flaw(record: Any, *names: str) -> str:
    """Return the first flaw of the texts of a record, of which the fields called ``names`` have to be names."""
    return first(text_flaw(record), *(name_flaw(name, getattr(record, name)) for name in names))
