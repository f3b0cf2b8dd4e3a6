"""Rates and amounts of data, as users write them: a number and a unit."""

import re
from fractions import Fraction
from typing import TypeVar

from netlink.values import dataclass
from plugin.options.option import Option

T = TypeVar("T")

_TEXT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(k|m|g|t)(bit|byte)", re.ASCII)
_PREFIXES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SLOWEST, _FASTEST = 64 * 10**3, 10**12  # bits a second
_SMALLEST, _LARGEST = 2 * 10**3, 10**9  # bytes


@dataclass(frozen=True, slots=True)
class Rate:
    """Bits a second; 0 is no limit."""

    bits: int

    def __str__(self) -> str:
        return _text(self.bits, "bit") if self.bits else "off"


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes."""

    bytes: int

    def __str__(self) -> str:
        return _text(self.bytes, "byte")


OFF = Rate(0)
RATE_LEGAL = (
    "a rate with its unit such as 500kbit, 10mbit, 1.5gbit or 2mbyte, from 64kbit to 1tbit (a number alone could be "
    "bits or bytes), or off"
)
AMOUNT_LEGAL = (
    "an amount with its unit such as 256kbyte, 1mbyte or 8mbit, from 2kbyte to 1gbyte (a number alone could be bits or "
    "bytes)"
)


def rate(text: str) -> Rate:
    """Read a rate, a second; "off" is no limit; raises ValueError for anything else, such as a number alone."""
    if text == "off":
        return OFF
    bits = _bits(text)
    if not _SLOWEST <= bits <= _FASTEST:
        raise ValueError(text)
    return Rate(int(bits))


def amount(text: str) -> Amount:
    """Read an amount of data; raises ValueError."""
    found = _bits(text) / 8
    if not _SMALLEST <= found <= _LARGEST:
        raise ValueError(text)
    return Amount(int(found))


def rate_option(key: str, default: T, help: str) -> Option[Rate | T]:  # noqa: A002 - as the option calls it
    """Return an option that is a rate, and that can be changed while it is in force."""
    return Option(key, rate, default, RATE_LEGAL, help, live=True)


def amount_option(key: str, help: str) -> Option[Amount | None]:  # noqa: A002
    """Return an option that is an amount, by default none, and that can be changed as well."""
    return Option(key, amount, None, AMOUNT_LEGAL, help, live=True)


def _bits(text: str) -> Fraction:
    found = _TEXT.fullmatch(text.lower())
    if found is None:
        raise ValueError(text)
    number, prefix, unit = found.groups()
    return Fraction(number) * _PREFIXES[prefix] * (8 if unit == "byte" else 1)


def _text(number: int, unit: str) -> str:
    """Return a number with the largest prefix that leaves it at 1 or more."""
    prefix = next((name for name, size in reversed(_PREFIXES.items()) if number >= size), "k")
    return f"{float(Fraction(number, _PREFIXES[prefix])):.12g}{prefix}{unit}"
