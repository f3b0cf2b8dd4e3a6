"""The dataclasses of ``netlink.values`` behave as Python's own do."""

import dataclasses
from collections.abc import Callable
from copy import copy
from dataclasses import field, fields, replace
from pickle import dumps, loads
from typing import Any, cast

import pytest

from netlink import values


@values.dataclass(frozen=True, slots=True)
class Frozen:
    """A value of each kind of field."""

    one: int
    many: list[int] = field(default_factory=list)
    other: str = field(default="x", compare=False, repr=False)


@values.dataclass(slots=True)
class Open:
    """A value that changes, with a text of its own."""

    one: int = 1

    def __repr__(self) -> str:
        return "open"


def test_values_are_equal_by_their_fields() -> None:
    """Fields that do not count are left out, and classes differ."""
    assert Frozen(1) == Frozen(1, [], "y") != Frozen(2)
    assert (Open() == Open(1), Open() == cast("Any", Frozen(1))) == (True, False)
    assert repr(Frozen(1, [2])) == "Frozen(one=1, many=[2])"
    assert repr(Open()) == "open"


def test_values_can_be_copied_and_replaced() -> None:
    """Copies, pickles and ``replace`` work, and each value has its own list."""
    value = Frozen(1, [2])

    assert copy(value) == loads(dumps(value)) == replace(value) == value
    assert [each.name for each in fields(value)] == ["one", "many", "other"]
    assert Frozen(1).many is not Frozen(1).many
    with pytest.raises(TypeError, match="one"):
        Frozen()  # type: ignore[call-arg]


def test_only_frozen_values_are_keys() -> None:
    """As with Python's own, which refuses to hash a value that may change."""
    made: Callable[..., Any] = values.dataclass(frozen=True, slots=True)(
        type("Key", (), {"__annotations__": {"a": int}})
    )

    assert {made(1): 2}[made(1)] == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open())


def test_no_function_is_compiled_before_the_first_value() -> None:
    """Only ``__init__`` is made for each class, and when it is used; Python's own decorator makes six functions."""
    assert Frozen.__eq__ is Open.__eq__
    assert Frozen.__repr__ is not Open.__repr__
    assert dataclasses.is_dataclass(Frozen)

    made: Callable[..., Any] = values.dataclass(slots=True, kw_only=True)(
        type("Later", (), {"__annotations__": {"a": int}, "a": 2})
    )
    before = vars(made)["__init__"].__code__.co_varnames
    assert (made().a, made(a=3).a) == (2, 3)
    assert (before[0], vars(made)["__init__"].__code__.co_varnames) == ("self", ("self", "a"))
    with pytest.raises(TypeError, match="positional"):
        made(3)
