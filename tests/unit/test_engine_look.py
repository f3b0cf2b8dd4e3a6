"""The facts that the collector gets from the engine's API."""

from collections.abc import Mapping
from typing import Any

from cli.engine.api import Engine, version_and_names

CONFIG = {"Subnet": "10.1.0.0/24", "Gateway": "10.1.0.1", "AuxiliaryAddresses": {"router": "10.1.0.9"}}
HERE = {"Id": "a", "Scope": "local", "IPAM": {"Driver": "pynet", "Config": [CONFIG]}}
SWARM = {"Id": "b", "Scope": "swarm", "IPAM": {"Driver": "pynet", "Config": [{"Subnet": "10.2.0.0/24"}]}}
OWN = {"Id": "c", "Scope": "local", "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.3.0.0/24"}]}}
BOX = {"EndpointID": "e1", "IPv4Address": "10.1.0.2/24", "IPv6Address": "fd00::2/64"}


class Scripted(Engine):
    """An engine with three networks; it answers what ``answers`` hold."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__("nowhere")
        self._answers = answers
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        return self._answers[path]


def test_a_look_tells_what_is_in_use() -> None:
    """Endpoints of the networks that were asked for; addresses of all whose address manager is not the engine's.

    Those that the user keeps for machines outside (``--aux-address``) are in use too, as are gateways.
    """
    answers = {"/info": {"ID": "me"}, "/networks": [HERE, SWARM, OWN], "/networks/a": {"Containers": {"x": BOX}}}
    look = Scripted({**answers, "/networks/b": {"Containers": None}}).view([])
    asked = Scripted({**answers, "/networks/b": {}, "/networks/c": {"Containers": {"y": {"EndpointID": "e2"}}}}).view(
        ["c"]
    )

    assert look is not None
    assert asked is not None
    assert {"10.1.0.1", "10.1.0.2", "10.1.0.9", "fd00::2"} <= look.addresses
    assert sorted(look.pools) == ["10.1.0.0/24", "10.2.0.0/24"]
    assert sorted(look.counted) == ["10.1.0.0/24"]
    assert [sorted(found.endpoints) for found in (look, asked)] == [[], ["e2"]]


def test_names_cost_one_list_of_networks() -> None:
    """``pynet status`` asks the engine for its networks once."""
    engine = Scripted({"/version": {"Version": "28.5"}, "/networks": [{"Id": "a", "Name": "blue"}]})

    assert version_and_names(engine) == ("28.5", {"a": "blue"})
    assert engine.asked == ["/version", "/networks"]
