"""The suite that every store passes, on real servers."""

import pytest

from tests.cluster.servers import HAS_CONSUL
from tests.unit.store.test_store import *  # noqa: F403 - the whole suite, with this ring's fixture

pytestmark = pytest.mark.cluster


def test_consul_is_a_real_one() -> None:
    """Says whether Consul itself was tested; its HTTP API is imitated in any case."""
    if not HAS_CONSUL:
        pytest.skip("CONSUL WAS NOT TESTED: there is no consul on the path, only an imitation of its HTTP API was used")
