"""The document of the page: everything once, then changes alone."""

from typing import Any

import pytest

from cli.server import overview
from plugin.errors import Failed
from plugin.model.records import Endpoint, Network
from plugin.store.base import Put, Remove
from tests.contract.contract import document_validator
from tests.unit.page.conftest import Page
from tests.unit.page.crowd import Crowd, endpoint, identity, network


def since(crowd: Crowd, cursor: str = "") -> Any:
    """Return an overview that fits its schema."""
    found = crowd.overview.since(cursor)
    document_validator("overview").validate(found)
    return found


def test_the_first_answer_has_everything() -> None:
    """Networks, endpoints with their ports, and the names that the engine gave them."""
    found = since(Crowd(3, 2))

    assert (found["whole"], len(found["networks"]), len(found["endpoints"])) == (True, 3, 6)
    assert [port["host_port"] for port in found["endpoints"][0]["ports"]] == [8000, 9000]
    assert found["names"]["networks"][identity(1, 2)[:12]] == "wiki_default"
    assert found["networks"][0]["options"]["pynet.rate_in"] == "100mbit"


def test_while_nothing_changes_an_answer_reads_one_number() -> None:
    """The cost of a poll does not grow with the number of networks."""
    crowd = Crowd(3, 2)
    first = since(crowd)
    listings = crowd.store.listings
    second = since(crowd, first["cursor"])

    assert (second["networks"], second["endpoints"], second["present"], second["names"]) == ([], [], None, None)
    assert (second["whole"], second["cursor"], crowd.store.listings) == (False, first["cursor"], listings)


def test_a_change_is_sent_alone() -> None:
    """A new endpoint comes as a whole, and one that is gone is missing among those that are present."""
    crowd = Crowd(3, 2)
    cursor = since(crowd)["cursor"]
    gone, new = endpoint(0, 0), endpoint(1, 5)
    crowd.store.transact(Put(new), Remove(Endpoint, gone.key))
    found = since(crowd, cursor)

    assert [one["id"] for one in found["endpoints"]] == [new.id]
    assert (found["networks"], found["whole"]) == ([], False)
    assert new.id[:12] in found["present"]["endpoints"]
    assert gone.id[:12] not in found["present"]["endpoints"]


def test_a_network_that_is_gone_is_missing() -> None:
    """Removals change the number, too."""
    crowd = Crowd(2, 1)
    cursor = since(crowd)["cursor"]
    crowd.store.transact(Remove(Network, network(1).key))

    assert since(crowd, cursor)["present"]["networks"] == [identity(1, 0)[:12]]


@pytest.mark.parametrize("cursor", ["x", "1.2", "aaaaaaaa.1.1", "..", "-1.-1.-1", "é.١.١", "a" * 5000])
def test_a_cursor_of_nobody_asks_for_everything(cursor: str) -> None:
    """After a restart of pynet the page begins anew by itself."""
    assert since(Crowd(1, 1), cursor)["whole"] is True


def test_new_names_come_when_the_engine_tells_them() -> None:
    """A container that starts has no name for a moment: the engine is asked again, and then all names are sent."""
    crowd = Crowd(1, 1)
    cursor, new = since(crowd)["cursor"], endpoint(0, 7)
    crowd.store.transact(Put(new))
    cursor = since(crowd, cursor)["cursor"]
    crowd.started[new.id] = "new"

    assert crowd.names.look()
    assert since(crowd, cursor)["names"]["containers"][new.id[:12]] == "new"
    assert not crowd.names.look()


def test_the_pause_grows_with_the_cost() -> None:
    """Answers take at most a hundredth of a core."""
    assert overview.pause_after(0.001) == overview.PAUSE
    assert overview.pause_after(0.21) == pytest.approx(30)


def test_a_pynet_that_is_away_is_a_sentence_for_the_page(page: Page) -> None:
    """And the next answer is as before."""
    page.crowd.away = Failed("ask the pynet that serves: it restarts")
    status, _, body = page.get("/api/overview")
    page.crowd.away = None

    assert (status, body["Err"]) == (502, "ask the pynet that serves: it restarts")
    assert page.get("/api/overview")[0] == 200


def test_counters_are_those_of_the_container() -> None:
    """What the host's end of a link sends, the container receives; drops of both ways are one number."""
    crowd = Crowd(2, 4)
    since(crowd)
    found = since(crowd)["traffic"]

    assert found["time"] == 4.0
    assert found["endpoints"][endpoint(1, 2).id[:12]] == [2_404_800, 1_202_400, 2]
    assert found["endpoints"][endpoint(0, 1).id[:12]] == [0, 0, 0]
