"""A short form of ``tests.torture.storm``: a served pynet under many requests at once."""

import pytest

from tests.torture.storm import storm

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]


def test_a_storm_of_requests_leaves_everything_in_order() -> None:
    """Every call is answered with a sentence, store and kernel agree, and after the removals nothing is left."""
    outcome = storm(calls=300, requests=1500, seconds=120, seed=4)

    assert outcome.complaints == []
    assert set(outcome.statuses) == {"2xx", "4xx", "5xx"}
