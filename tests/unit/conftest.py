"""Fixtures of the unit ring."""

import pytest

from tests.fakes import World


@pytest.fixture
def world() -> World:
    """Return a driver on an imaginary host with nothing on it."""
    return World()
