"""The suite that every store passes, on real servers."""

import pytest

from tests.unit.store.test_store import *  # noqa: F403 - the whole suite, with this ring's fixture

pytestmark = pytest.mark.cluster
