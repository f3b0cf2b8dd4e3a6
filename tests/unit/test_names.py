"""Error texts call networks and containers by the names that users gave them, if known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cli.engine.api import Engine
from plugin.engine.names import Known, Names
from plugin.errors import Conflict
from tests.fakes import World
from tests.unit import requests as rq

SECOND = "e1" * 32
KNOWN = Known({rq.NETWORK_ID: "front"}, {rq.ENDPOINT_ID: "web"})
NETWORKS = [{"Id": rq.NETWORK_ID, "Name": "front"}]
RUNNING = [
    {"Names": ["/web", "/other/alias"], "NetworkSettings": {"Networks": {"front": {"EndpointID": rq.ENDPOINT_ID}}}},
    {"Names": ["/starts"], "NetworkSettings": {"Networks": {"front": {"EndpointID": ""}}}},
    {"Names": ["/none"], "NetworkSettings": None},
]


class Scripted(Engine):
    """An engine that answers what ``answers`` hold."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__("nowhere")
        self._answers = answers

    def get(self, path: str) -> Any:
        return self._answers[path]


@pytest.mark.parametrize(
    ("known", "network", "container"),
    [(KNOWN, "'front'", "container 'web'"), (Known(), "'a1a1a1a1a1a1'", "endpoint 'e0e0e0e0e0e0'")],
)
def test_what_is_taken_names_who_has_it(world: World, known: Known, network: str, container: str) -> None:
    """The refusal of a taken subnet, bridge or port names its owner, by id if the name is not known yet."""
    world.known = known
    world.driver.create_network(rq.network())
    world.names.look()
    with pytest.raises(Conflict, match=f"10.9.0.0/24 overlaps subnet 10.9.0.0/24 of network {network}$"):
        world.driver.create_network(rq.network(rq.OTHER_ID))
    world.driver.create_endpoint(rq.endpoint())
    world.driver.program_external_connectivity(rq.program(8080))
    world.names.look()
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id=SECOND))
    with pytest.raises(Conflict, match=rf"tcp on 0.0.0.0:8080 and \[::\]:8080: port .* allocated, to {container}$"):
        world.driver.program_external_connectivity(replace(rq.program(8080), endpoint_id=SECOND))


def test_the_engine_is_asked_for_networks_and_what_runs() -> None:
    """The engine is asked two questions in all; a container without an endpoint has no name here."""
    names = Scripted({"/networks": NETWORKS, "/containers/json": RUNNING}).names()
    assert names == KNOWN


def test_without_an_answer_the_names_stay() -> None:
    """Without an answer, as from a restarting engine, the known names stay."""
    answers: list[Known | None] = [KNOWN, Scripted({}).names(), Scripted({"/networks": [None]}).names()]
    names = Names(lambda: answers.pop(0))
    for _ in range(3):
        names.expect()
        assert names.look()
    assert (names.network(rq.NETWORK_ID), names.container(rq.ENDPOINT_ID)) == ("'front'", "container 'web'")


def test_a_name_that_is_missed_is_asked_for() -> None:
    """If a name is missing, the engine is asked again, as it may not have listed a starting container."""
    answers: list[Known | None] = [None, Known(), KNOWN]
    names = Names(lambda: answers.pop(0))
    names.expect()
    assert (names.look(), names.look(), names.look()) == (True, True, False)
    assert names.container(rq.ENDPOINT_ID) == "endpoint 'e0e0e0e0e0e0'"
    assert names.look()
    assert names.container(rq.ENDPOINT_ID) == "container 'web'"
    assert not names.look()


def test_the_engine_is_asked_when_there_is_something_new(world: World) -> None:
    """The engine is asked after a network or ports have come, and for no other reason."""
    world.driver.create_network(rq.network())
    assert world.names.look()
    world.driver.create_endpoint(rq.endpoint())
    world.driver.join(rq.join())
    assert not world.names.look()
    world.driver.program_external_connectivity(rq.program(8080))
    assert world.names.look()
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    assert not world.names.look()
