"""Records to JSON and back, so that a store written by an older or a newer pynet can be read.

Unknown keys are ignored; missing keys take the default of their field.
"""

import json
from collections.abc import Callable
from functools import cache, lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from types import NoneType
from typing import Any, get_args

from cattrs import Converter
from cattrs.errors import BaseValidationError, CattrsError

from plugin.errors import Failed
from plugin.store.base import R, Record

_PARSERS: dict[frozenset[type], Callable[[str], Any]] = {
    frozenset({IPv4Address, IPv6Address}): ip_address,
    frozenset({IPv4Interface, IPv6Interface}): ip_interface,
    frozenset({IPv4Network, IPv6Network}): ip_network,
}


def encode(record: Record) -> str:
    """Return ``record`` as one line of JSON; the order of the keys is that of the fields."""
    return json.dumps(_converter().unstructure(record), separators=(",", ":"))


def decode(kind: type[R], text: str) -> R:
    """Read a record of ``kind``.

    Raises:
        Failed: the text is not JSON, lacks a field without a default, or holds a value of another type.
    """
    try:
        return _converter().structure(json.loads(text), kind)
    except KeyError as error:
        raise Failed(f"read a stored {kind.kind}: field {error} is missing") from error
    except (BaseValidationError, CattrsError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise Failed(f"read a stored {kind.kind}: {error}") from error


@cache
def _converter() -> Converter:
    # Detailed validation doubles the time to load, and its groups of errors do not fit into a sentence.
    converter = Converter(detailed_validation=False)
    for family, parse in _PARSERS.items():
        for kind in family:
            converter.register_unstructure_hook(kind, _text)
            converter.register_structure_hook(kind, _from_text(kind))
        converter.register_structure_hook_func(_is_union_of(family), _from_text(parse))
        converter.register_structure_hook_func(_is_union_of(family | {NoneType}), _optional(_from_text(parse)))
    for plain in (str, int, bool, float):
        converter.register_structure_hook(plain, _unchanged)
    return converter


@lru_cache(maxsize=512)
def _text(address: object) -> str:
    """Write an address; cached, because the many ports of a container have the same few addresses."""
    return str(address)


def _is_union_of(kinds: frozenset[type]) -> Callable[[Any], bool]:
    return lambda kind: frozenset(get_args(kind)) == kinds


def _from_text(parse: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    known = lru_cache(maxsize=512)(parse)
    # ipaddress reads a number as an address too; a record never holds one.
    return lambda value, _kind: known(_without_zone(_unchanged(value, str)))


def _without_zone(text: str) -> str:
    """Refuse an address with a zone: ``ip_address`` accepts any text after a percent sign, and no record has one."""
    if "%" in text:
        raise ValueError(f"{text!r} is an address with a zone")
    return text


def _optional(structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, kind: None if value is None else structure(value, kind)


def _unchanged(value: Any, kind: type) -> Any:
    """Refuse a value of another type, which cattrs would convert: a null must not become the text "None"."""
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value
