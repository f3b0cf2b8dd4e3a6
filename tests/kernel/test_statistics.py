"""Statistics of links, asked for again and again."""

import pytest

from netlink.statistics import Statistics
from tests.kernel.container import sh

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]


def test_a_link_that_was_made_again_is_found_by_its_name() -> None:
    """Indices are kept between two calls, and looked up again when a link is gone."""
    sh("ip link add one type bridge; ip link add two type bridge")
    statistics, names = Statistics(), ["one", "two", "none"]
    assert set(statistics.links(names)) == {"one", "two"}
    sh("ip link del one; ip link add three type bridge")
    assert set(statistics.links(names)) == {"two"}
    sh("ip link add one type bridge")
    assert set(statistics.links(["one", "three"])) == {"one", "three"}
    assert statistics.links([]) == {}
