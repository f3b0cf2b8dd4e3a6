"""Failures at single steps of a creation, on an imaginary host."""

from collections.abc import Callable

import pytest

from netlink.errors import KernelError
from plugin.driver import Driver
from plugin.errors import PynetError
from tests.fakes import World


def fails_and_leaves_nothing(world: World, call: Callable[[Driver], object], step: int) -> None:
    """Let ``step`` of a creation fail; ``world`` is as it was before, and the same call then succeeds."""
    before = world.snapshot()
    with pytest.raises((KernelError, PynetError), match="simulated failure"):
        call(world.failing_at(step))
    world.healed()
    world.bury()
    assert world.snapshot() == before
    call(world.driver)
