"""Turns records into JSON and back by functions that are compiled for each kind of record when the first one comes.

A compiled function takes half the time of one that looks at each field: at a start there are thousands of records.
Nothing is converted: a null must not become the text "None", nor a number an address.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, lru_cache, reduce
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_network,
)
from operator import or_
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from netlink.ip import read_address, read_interface

Turn = Callable[[Any], Any]  # a value of JSON into one of a record, or back
_PLAIN = (str, int, bool, float)
_KNOWN = 512  # addresses whose text is remembered: the many ports of a container have the same few
_PARSERS: dict[frozenset[type], Callable[[str], Any]] = {
    frozenset({IPv4Address, IPv6Address}): read_address,
    frozenset({IPv4Interface, IPv6Interface}): read_interface,
    frozenset({IPv4Network, IPv6Network}): ip_network,
}
_PARSERS |= {frozenset({kind}): kind for family in list(_PARSERS) for kind in family}


@cache
def reader(kind: Any) -> Turn:
    """Return the function that reads a value of a type out of JSON.

    It raises ``TypeError`` for a value of another type, ``ValueError`` for a text that is no address, and ``KeyError``
    for a missing field without a default.
    """
    names = {"kind": kind, "refuse": _refuse}
    if not _is_dataclass(kind):
        return _compiled("value", _reading(kind, "value", names), names)
    parts = []
    for field, of in _typed(kind):
        code, default = _reading(of, f"body[{field.name!r}]", names), _default(field, names)
        parts.append(f"{code} if {field.name!r} in body else {default}" if default else code)
    return _compiled("body", f"kind({', '.join(parts)}) if type(body) is dict else refuse('dict', body)", names)


@cache
def writer(kind: type) -> Turn:
    """Return the function that makes an object of JSON of a dataclass."""
    names: dict[str, Any] = {}
    parts = [f"{field.name!r}: {_writing(of, f'record.{field.name}', names)}" for field, of in _typed(kind)]
    return _compiled("record", f"{{{', '.join(parts)}}}", names)


def _compiled(argument: str, expression: str, names: dict[str, Any]) -> Turn:
    turn: Turn = eval(f"lambda {argument}: {expression}", names)  # noqa: S307 - made of names of fields and types alone
    return turn


def _named(names: dict[str, Any], thing: Any) -> str:
    """Return a name for a thing in an expression."""
    name = f"_{len(names)}"
    names[name] = thing
    return name


def _reading(kind: Any, value: str, names: dict[str, Any]) -> str:
    """Return the expression that reads ``value``, an expression, as a value of a type."""
    if kind in _PLAIN:
        return f"(x if type(x := {value}) is {kind.__name__} else refuse({kind.__name__!r}, x))"
    if parse := _parser(kind):
        known = lru_cache(maxsize=_KNOWN)(lambda text: parse(_without_zone(text)))
        return f"({_named(names, known)}(x) if type(x := {value}) is str else refuse('str', x))"
    if _is_dataclass(kind):
        return f"{_named(names, reader(kind))}({value})"
    if item := _optional(kind):
        return f"(None if (y := {value}) is None else {_reading(item, 'y', names)})"
    read, *values = map(reader, _items(kind))
    if values:
        pairs = _named(names, lambda found: {read(key): values[0](each) for key, each in _of(dict, found).items()})
        return f"({{}} if (y := {value}) == {{}} else {pairs}(y))"
    items = _named(names, lambda found: tuple(map(read, _of(list, found))))
    return f"(() if (y := {value}) == [] else {items}(y))"


def _writing(kind: Any, value: str, names: dict[str, Any]) -> str:
    """Return the expression that makes JSON of ``value``, an expression of a type."""
    if kind in _PLAIN:
        return value
    if _parser(kind):
        return f"{_named(names, lru_cache(maxsize=_KNOWN)(str))}({value})"
    if _is_dataclass(kind):
        return f"{_named(names, writer(kind))}({value})"
    if item := _optional(kind):
        return f"(None if (y := {value}) is None else {_writing(item, 'y', names)})"
    each = _writing(_items(kind)[-1], "each", names)
    if get_origin(kind) is tuple:
        return f"[{each} for each in {value}]"
    return f"{{key: {each} for key, each in {value}.items()}}"


def _is_dataclass(kind: Any) -> bool:
    return is_dataclass(kind)


def _typed(kind: Any) -> Iterable[tuple[Field[Any], Any]]:
    """Return the fields of a dataclass in the order of its arguments, with their types."""
    hints = get_type_hints(kind)
    return [(field, hints[field.name]) for field in fields(kind)]


def _default(field: Field[Any], names: dict[str, Any]) -> str:
    """Return the expression for the default of a field, "" for a field without one."""
    if field.default_factory is not MISSING:
        return f"{_named(names, field.default_factory)}()"
    return "" if field.default is MISSING else _named(names, field.default)


def _parser(kind: Any) -> Callable[[str], Any] | None:
    return _PARSERS.get(frozenset(get_args(kind) or [kind]))


def _optional(kind: Any) -> Any:
    """Return the type of a value that may be None, None for any other type."""
    parts = get_args(kind) if get_origin(kind) is UnionType else ()
    return reduce(or_, [part for part in parts if part is not NoneType]) if NoneType in parts else None


def _items(kind: Any) -> tuple[Any, ...]:
    """Return the types of keys and values, or of the items of a tuple; raises ``TypeError`` for other types."""
    of, parts = get_origin(kind), get_args(kind)
    if of is tuple and parts[1:] == (...,):
        return parts[:1]
    if of is Mapping and parts[0] is str:
        return parts
    raise TypeError(f"records cannot hold {kind}")


def _of(kind: type, value: Any) -> Any:
    return value if type(value) is kind else _refuse(kind.__name__, value)


def _without_zone(text: str) -> str:
    """Refuse an address with a zone: ``ip_address`` accepts any text after a percent sign, and no record has one."""
    if "%" in text:
        raise ValueError(f"{text!r} is an address with a zone")
    return text


def _refuse(wanted: str, value: object) -> Any:
    raise TypeError(f"expected {wanted}, found {value!r}")
