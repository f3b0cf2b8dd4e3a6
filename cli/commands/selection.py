"""The networks and containers that the words of a command name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.engine.containers import EngineContainer
from plugin.engine.names import Known
from plugin.errors import NotFound

FEWEST = 4  # characters of an id that are enough to name something: fewer are a name, which may be mistyped


@dataclass(frozen=True, slots=True)
class Selection:
    """Networks and endpoints by id, and containers by name, whose later endpoints count too.

    A selection of nothing is everything.
    """

    networks: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()

    def has(self, network: str, container: str, endpoint: str) -> bool:
        """Return whether an endpoint is chosen."""
        everything = not (self.networks or self.containers or self.endpoints)
        return everything or network in self.networks or container in self.containers or endpoint in self.endpoints


def select(
    words: Sequence[str], networks: Sequence[Mapping[str, Any]], names: Known, ask: Callable[[str], EngineContainer]
) -> Selection:
    """Return what ``words`` name: names of networks and containers, or beginnings of ids.

    ``networks`` are those of a reply of pynet; ``ask`` finds a container in the engine, by the id that pynet never got.

    Raises:
        NotFound: a word names nothing, or a container without an endpoint of pynet.
    """
    ids, containers, ends = set[str](), set[str](), set[str]()
    here = {end["ID"] for network in networks for end in network["Endpoints"]}
    for word in words:
        named = {one["ID"] for one in networks if word == names.networks.get(one["ID"]) or _begins(one["ID"], word)}
        own = {end for end in here if word == names.containers.get(end) or _begins(end, word)}
        if not named and not own:
            own = _endpoints_of(ask(word), here)
        ids |= named
        ends |= own
        containers |= {names.containers[end] for end in own if end in names.containers}
    return Selection(frozenset(ids), frozenset(containers), frozenset(ends))


def endpoints_named(
    word: str, networks: Sequence[Mapping[str, Any]], names: Known, ask: Callable[[str], EngineContainer]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return the endpoints of the container that ``word`` names, each with its network.

    Raises:
        NotFound: it names none, or a container without an endpoint of pynet.
    """
    pairs = [(network, end) for network in networks for end in network["Endpoints"]]
    found = [pair for pair in pairs if word == names.containers.get(pair[1]["ID"]) or _begins(pair[1]["ID"], word)]
    if found:
        return found
    own = _endpoints_of(ask(word), {end["ID"] for _, end in pairs})
    return [pair for pair in pairs if pair[1]["ID"] in own]


def _begins(identity: str, word: str) -> bool:
    return len(word) >= FEWEST and identity.startswith(word)


def _endpoints_of(container: EngineContainer, here: set[str]) -> set[str]:
    own = set(container.endpoints) & here
    if not own:
        raise NotFound(f"container '{container.name}' is in no network of pynet on this host")
    return own
