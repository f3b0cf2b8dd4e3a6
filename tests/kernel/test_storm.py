"""A short form of ``tests.torture.storm``: a served pynet under many requests at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.engine.lab.api import UnixConnection
from tests.settling import settle
from tests.torture.storm import SETTLE, remains, served, storm
from tests.torture.traffic import call, network, network_id

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]


def test_a_storm_of_requests_leaves_everything_in_order() -> None:
    """Every call is answered with a sentence, store and kernel agree, and after the removals nothing is left."""
    outcome = storm(calls=300, requests=1500, seconds=120, seed=4)

    assert outcome.complaints == []
    assert set(outcome.statuses) == {"2xx", "4xx", "5xx"}


def test_a_caller_that_hangs_up_leaves_nothing() -> None:
    """The engine takes a call whose connection broke for failed and undoes nothing, so pynet does."""
    with served() as pynet:
        connection = UnixConnection(pynet.socket)
        connection.request("POST", "/NetworkDriver.CreateNetwork", network(1).body)
        connection.close()
        settle(lambda: "the caller has hung up" not in pynet.log.read_text(), SETTLE)

        assert "the caller has hung up" in pynet.log.read_text()
        assert settle(lambda: remains(pynet), SETTLE) == []
        assert pynet.ask(network(1))[0] == 200


def test_a_store_that_is_locked_is_a_sentence_and_then_forgotten() -> None:
    """Another process keeps the database: calls fail in time; afterwards they succeed, and the removal is done late."""
    with served() as pynet:
        assert pynet.ask(network(1))[0] == 200
        with closing(sqlite3.connect(pynet.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            delete = call("NetworkDriver.DeleteNetwork", NetworkID=network_id(1))
            with ThreadPoolExecutor(2) as pool:
                replies = list(pool.map(pynet.ask, [network(2), delete]))
        for status, body, _ in replies:
            assert (status, "another process keeps it locked" in body["Err"]) == (500, True)

        assert settle(lambda: remains(pynet), SETTLE) == []
        assert pynet.ask(network(2))[0] == 200
