"""The words by which commands name networks and containers: one table for all commands."""

from typing import Any

import pytest

from cli.commands.changes import of_container
from cli.commands.name_book import NameBook, NamedContainer, NamedNetwork
from cli.commands.policy import target_of
from cli.commands.selection import Selection, select
from cli.engine.api import Engine
from cli.engine.inventory import Inventory, ListedContainer, inventory
from cli.exit_codes import BadUsage
from plugin.errors import Failed, NotFound

BLUE, RED, PLAIN = "a1" * 32, "a2" * 32, "b3" * 32
WEB, BOTH, SHOP, GONE, SIDE = (f"{number}" * 64 for number in (1, 2, 3, 4, 5))
W1, B1, B2, UNKNOWN, S1 = (f"e{number}" + f"{number}" * 62 for number in range(1, 6))
NETWORKS: list[dict[str, Any]] = [
    {"ID": BLUE, "Endpoints": [{"ID": W1}, {"ID": B1}, {"ID": UNKNOWN}]},
    {"ID": RED, "Endpoints": [{"ID": B2}]},
]
BOXES = [
    ListedContainer(WEB, "web", runs=True, endpoints={BLUE: W1}),
    ListedContainer(BOTH, "both", runs=True, endpoints={BLUE: B1, RED: B2}),
    ListedContainer(SHOP, "shop", runs=True, endpoints={PLAIN: S1}),
    ListedContainer(GONE, "gone", runs=False, endpoints={BLUE: ""}),
    ListedContainer(SIDE, "side", runs=True, shares=WEB),
    ListedContainer("f" * 64, "red", runs=True, endpoints={BLUE: ""}),
]
ENGINE = Inventory({BLUE: "blue", RED: "red", PLAIN: "plain"}, BOXES)
KNOWN, SILENT = NameBook(NETWORKS, ENGINE), NameBook(NETWORKS, Inventory(answers=False))
BEGINNINGS = "write more of it: "
REFUSED: dict[str, tuple[str, str, type[Exception], str]] = {
    "unknown network": ("network", "wbe", NotFound, "there is no network 'wbe'"),
    "unknown container": ("running", "wbe", NotFound, "there is no container 'wbe'"),
    "unknown of both": ("either", "wbe", NotFound, "there is no network and no container 'wbe'"),
    "no network": ("network", "", BadUsage, "an empty word names no network"),
    "no container": ("running", "", BadUsage, "an empty word names no container"),
    "nothing": ("either", "", BadUsage, "an empty word names no network and no container"),
    "ambiguous network": ("network", "a", BadUsage, f"{BEGINNINGS}network 'blue' \\({BLUE[:12]}\\), network 'red'"),
    "ambiguous endpoint": ("running", "e", BadUsage, f"{BEGINNINGS}container 'both' \\({B1[:12]}\\), .*'e44444444444'"),
    "ambiguous of both": ("either", "a", BadUsage, "'a' is the beginning of several ids"),
    "the other kind": ("running", "blue", NotFound, "'blue' is a network, and the name or id of a container is needed"),
    "the kind of a network": ("network", "web", NotFound, "'web' is a container, and the name or id of a network is"),
    "another driver's": ("network", "plain", NotFound, "network 'plain' is not one of pynet's"),
    "either is another driver's": ("either", "plain", NotFound, "network 'plain' is not one of pynet's"),
    "in another network": ("running", "shop", NotFound, "container 'shop' is in no network of pynet"),
    "either in another": ("either", "shop", NotFound, "container 'shop' is in no network of pynet"),
    "stopped": ("running", "gone", NotFound, "container 'gone' does not run"),
    "with another's network": ("running", "side", NotFound, "has the network of container 'web'; name that one"),
    "several networks": ("endpoint", "both", BadUsage, "is in several networks of pynet, name one: blue, red"),
}


@pytest.mark.parametrize(("way", "word", "kind", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_word_that_names_nothing_is_a_sentence(way: str, word: str, kind: type[Exception], sentence: str) -> None:
    """Whatever command asks, it is the same one."""
    with pytest.raises(kind, match=sentence):
        getattr(KNOWN, way)(word)


@pytest.mark.parametrize(
    ("word", "ends"),
    [
        ("web", {W1}),
        ("both", {B1, B2}),
        (WEB, {W1}),
        ("2", {B1, B2}),
        ("22222222", {B1, B2}),
        (B2, {B2}),
        ("e1", {W1}),
        ("e4", {UNKNOWN}),
    ],
)
def test_a_container_has_a_name_an_id_and_endpoints(word: str, ends: set[str]) -> None:
    """The beginning of an id is enough, and an endpoint's means the container's place there."""
    assert KNOWN.running(word).endpoints == ends
    assert {end.id for end in KNOWN.running(word).ends} == ends


def test_a_network_has_a_name_and_an_id() -> None:
    """A name goes before ids that begin with it."""
    assert [KNOWN.network(word).id for word in ("blue", BLUE, "a1a1", "red")] == [BLUE, BLUE, BLUE, RED]
    names = Inventory({BLUE: "a2", RED: "red"}, [])
    assert NameBook(NETWORKS, names).network("a2").id == BLUE


def test_a_network_chooses_the_endpoint() -> None:
    """It is needed where there are several, and must be one of the container's."""
    assert KNOWN.endpoint("both", "red")[1].id == B2
    assert [KNOWN.endpoint(word)[1].id for word in ("web", B2[:6])] == [W1, B2]
    with pytest.raises(NotFound, match="container 'web' is not in network 'red'"):
        KNOWN.endpoint("web", "red")
    with pytest.raises(NotFound, match="there is no network 'rde'"):
        of_container("web", "rde", KNOWN)


def test_a_network_and_a_container_of_one_name_are_both_meant() -> None:
    """A selection has both; a change must not guess, and one that does not run does not count."""
    boxes = [*BOXES[:-1], ListedContainer("f" * 64, "red", runs=True, endpoints={BLUE: W1})]
    two = NameBook(NETWORKS, Inventory(ENGINE.networks, boxes))
    chosen = select(["red"], two)

    assert chosen == Selection(frozenset({RED}), frozenset({"red"}), frozenset({W1}))
    with pytest.raises(BadUsage, match="'red' is a network and a container: name an id, or the container with --netw"):
        target_of("red", "", two)
    assert target_of("red", "blue", two).endpoint == W1
    assert target_of("red", "", KNOWN).ids == {"NetworkID": RED}


def test_two_networks_of_one_name_are_told_apart_by_their_ids() -> None:
    """Engines before 25 allow that."""
    twins = NameBook(NETWORKS, Inventory({BLUE: "twin", RED: "twin"}, []))
    with pytest.raises(BadUsage, match="'twin' is the name of 2 networks: write the beginning of an id"):
        twins.network("twin")


def test_ids_of_pynet_are_known_while_the_engine_is_silent() -> None:
    """Names are not, and the sentence says so."""
    assert SILENT.network("a1").label == BLUE[:12]
    assert SILENT.running("e4").label == "e44444444444"
    with pytest.raises(Failed, match="does not answer, and 'web' is the beginning of no id that pynet knows; 'pyne"):
        SILENT.running("web")


def test_a_container_need_not_run_for_its_ports() -> None:
    """As for docker port, nor be in a network of pynet."""
    assert [KNOWN.container(word).id for word in ("gone", "shop")] == [GONE, SHOP]
    assert KNOWN.container("web") == NamedContainer(WEB, "web", True, KNOWN.running("web").ends)
    assert KNOWN.network("blue") == NamedNetwork(BLUE, "blue")


class Answers(Engine):
    """An engine that answers one thing after the other; None is 404."""

    def __init__(self, *containers: Any) -> None:
        super().__init__("nowhere")
        self._containers = list(containers)

    def get(self, path: str) -> Any:
        return [{"Id": BLUE, "Name": "blue"}] if path == "/networks" else self._containers.pop(0)


def test_the_engine_lists_what_words_can_name() -> None:
    """Aliases in other containers are no names; 20.10 refuses the list while it removes a container."""
    joined = {"NetworkID": BLUE, "EndpointID": W1}
    told = {"Id": WEB, "Names": ["/db/alias", "/web"], "State": "running"}
    listed = [{**told, "NetworkSettings": {"Networks": {"blue": joined}}}]
    side = [{"Id": SIDE, "Names": None, "State": "exited", "HostConfig": {"NetworkMode": f"container:{WEB}"}}]
    found = inventory(Answers(None, None, [*listed, *side]), 0)

    assert found.containers[0] == BOXES[0]
    assert found.containers[1] == ListedContainer(SIDE, "", runs=False, shares=WEB)
    assert (found.known.networks, found.known.containers) == ({BLUE: "blue"}, {W1: "web"})
    assert inventory(Answers(*[None] * 9), 0) == Inventory(answers=False)
