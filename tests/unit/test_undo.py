"""The undo stack."""

import pytest

from plugin.request.undo import Undo


def test_undo_runs_backwards_on_error() -> None:
    """What was done last is taken back first."""
    done: list[str] = []
    with pytest.raises(ValueError, match="broke"), Undo() as undo:
        undo.push(done.append, "first")
        undo.push(done.append, "second")
        raise ValueError("broke")

    assert done == ["second", "first"]


def test_undo_does_nothing_on_success() -> None:
    """A block that ends well keeps what it made."""
    done: list[str] = []
    with Undo() as undo:
        undo.push(done.append, "first")

    assert done == []


def test_a_failing_undo_hides_nothing() -> None:
    """The others still run, and the first error reaches the caller with a note about the failure."""
    done: list[str] = []
    with pytest.raises(ValueError, match="broke") as caught, Undo() as undo:
        undo.push(done.append, "first")
        undo.push(int, "not a number")
        raise ValueError("broke")

    assert done == ["first"]
    assert "undo failed" in caught.value.__notes__[0]
