"""Finds the network, the container or the endpoint that a word of a command names: one way for all commands.

As for the engine, a name goes before the beginning of an id. Ids of pynet's endpoints name their containers too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cli.client.serving import answer
from cli.engine.api import engine_socket
from cli.engine.inventory import Inventory, inventory
from cli.exit_codes import BadUsage
from cli.listing import SHORT, short_id
from plugin.errors import Failed, NotFound

NETWORK, CONTAINER = "network", "container"
_MOST = 4  # things that the sentence about an ambiguous word names


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """A network; ``name`` is "" if the engine does not tell, and ``own`` is whether it is one of pynet's."""

    id: str
    name: str
    own: bool = True

    @property
    def label(self) -> str:
        """The name, or the beginning of the id."""
        return self.name or short_id(self.id)

    def is_named(self, word: str) -> bool:
        """Return whether a word is its name, or as much of its id as lists show."""
        return bool(word) and (word == self.name or (len(word) >= SHORT and self.id.startswith(word)))


@dataclass(frozen=True, slots=True)
class NamedEnd:
    """A container's place in a network of pynet; ``id`` is that of the endpoint."""

    network: NamedNetwork
    id: str


@dataclass(frozen=True, slots=True)
class NamedContainer:
    """A container with its endpoints in networks of pynet; ``id`` and ``name`` are "" if the engine does not tell."""

    id: str
    name: str
    runs: bool
    ends: tuple[NamedEnd, ...]
    shares: str = ""

    @property
    def label(self) -> str:
        """The name, or the beginning of an id."""
        return self.name or short_id(self.id or self.ends[0].id)

    @property
    def endpoints(self) -> frozenset[str]:
        """The ids of its endpoints."""
        return frozenset(end.id for end in self.ends)


class _Entry(NamedTuple):
    kind: str
    name: str
    id: str
    found: Any  # a NamedNetwork or a NamedContainer


class NameBook:
    """The networks and containers that words can name; every method raises ``BadUsage`` for an ambiguous word.

    ``networks`` are those of the reply to the verb Networks or Traffic.
    """

    def __init__(self, networks: Sequence[Mapping[str, Any]], known: Inventory) -> None:
        self.inventory = known
        own = {one["ID"]: frozenset(end["ID"] for end in one["Endpoints"]) for one in networks}
        ids = {**known.networks, **dict.fromkeys(own, "")}
        self._networks = {one: NamedNetwork(one, known.networks.get(one, ""), one in own) for one in ids}
        self._containers = [*self._engines(), *self._nameless(own)]
        self._entries = [*self._network_entries(), *self._container_entries()]

    def network(self, word: str) -> NamedNetwork:
        """Return a network of pynet; raises ``NotFound``."""
        found: NamedNetwork = self._one(word, NETWORK)
        if not found.own:
            raise NotFound(f"network '{found.label}' is not one of pynet's")
        return found

    def container(self, word: str) -> NamedContainer:
        """Return a container, which need not run or be in a network of pynet; raises ``NotFound``."""
        found: NamedContainer = self._one(word, CONTAINER)
        return found

    def running(self, word: str, also: str = "") -> NamedContainer:
        """Return a container that runs in a network of pynet; raises ``NotFound``.

        ``also`` says what else the word could have been, for the sentence about one that names nothing.
        """
        found: NamedContainer = self._one(word, CONTAINER, also=also)
        return self._in_use(found)

    def endpoint(self, word: str, of: str = "") -> tuple[NamedContainer, NamedEnd]:
        """Return a container that runs, and its endpoint in the network ``of``, or in its only network of pynet.

        Raises:
            BadUsage: it is in several, and ``of`` is "".
            NotFound: there is no such container or network, or the container is not in it.
        """
        found = self.running(word)
        if of:
            network = self.network(of)
            ends = [end for end in found.ends if end.network == network]
            if not ends:
                raise NotFound(f"container '{found.label}' is not in network '{network.label}'")
            return found, ends[0]
        if len(found.ends) > 1:
            known = ", ".join(sorted(end.network.label for end in found.ends))
            raise BadUsage(f"container '{found.label}' is in several networks of pynet, name one: {known}")
        return found, found.ends[0]

    def either(self, word: str) -> tuple[NamedNetwork | None, NamedContainer | None]:
        """Return the network of pynet or the running container that a word names; both if they have the same name.

        Raises:
            NotFound: there is neither.
        """
        found = {one.kind: one.found for one in self._matches(word, NETWORK, CONTAINER)}
        network, container = found.get(NETWORK), found.get(CONTAINER)
        if network is not None and network.own:
            used = container is not None and container.runs and container.ends
            return network, container if used else None
        if container is not None:
            return None, self._in_use(container)
        return self.network(word), None

    def _one(self, word: str, kind: str, *, also: str = "") -> Any:
        return self._matches(word, kind, also=also)[0].found

    def _matches(self, word: str, *kinds: str, also: str = "") -> list[_Entry]:
        """Return the entry that a word names, or one of each kind."""
        if not word:
            raise BadUsage(f"an empty word names no {' and no '.join(kinds)}")
        wanted = [entry for entry in self._entries if entry.kind in kinds]
        named = [entry for entry in wanted if word == entry.name]
        found = named or _whole([entry for entry in wanted if entry.id.startswith(word)])
        if not found:
            raise self._nothing(word, kinds, also)
        if len(found) > len({entry.kind for entry in named} or {""}):
            raise _ambiguous(word, found, by_name=bool(named))
        return found

    def _nothing(self, word: str, kinds: Sequence[str], also: str) -> Exception:
        other = {entry.kind for entry in self._entries if entry.name == word}
        if not self.inventory.answers:
            return Failed(
                f"the engine at '{engine_socket()}' does not answer, and '{word}' is the beginning of no id that pynet "
                f"knows; 'pynet {'network' if kinds == (NETWORK,) else 'endpoint'} ls' prints those"
            )
        if other:
            return NotFound(f"'{word}' is a {other.pop()}, and the name or id of a {kinds[0]} is needed here")
        return NotFound(f"there is no {' and no '.join(kinds)} '{word}'{also}")

    def _in_use(self, found: NamedContainer) -> NamedContainer:
        if not found.runs:
            raise NotFound(f"container '{found.label}' does not run")
        if found.shares and not found.ends:
            other = next((one.label for one in self._containers if one.id == found.shares), short_id(found.shares))
            raise NotFound(f"container '{found.label}' has the network of container '{other}'; name that one")
        if not found.ends:
            raise NotFound(f"container '{found.label}' is in no network of pynet")
        return found

    def _engines(self) -> Iterator[NamedContainer]:
        for one in self.inventory.containers:
            pairs = ((self._networks.get(network), end) for network, end in one.endpoints.items() if end)
            ends = tuple(NamedEnd(network, end) for network, end in pairs if network is not None and network.own)
            yield NamedContainer(one.id, one.name, one.runs, ends, one.shares)

    def _nameless(self, own: Mapping[str, frozenset[str]]) -> Iterator[NamedContainer]:
        """Yield the endpoints of pynet of which the engine says nothing."""
        told = {end for one in self.inventory.containers for end in one.endpoints.values()}
        for network, ends in own.items():
            for end in sorted(ends - told):
                yield NamedContainer("", "", runs=True, ends=(NamedEnd(self._networks[network], end),))

    def _network_entries(self) -> Iterator[_Entry]:
        for one in self._networks.values():
            yield _Entry(NETWORK, one.name, one.id, one)

    def _container_entries(self) -> Iterator[_Entry]:
        for one in self._containers:
            if one.id:
                yield _Entry(CONTAINER, one.name, one.id, one)
            for end in one.ends:
                yield _Entry(CONTAINER, "", end.id, replace(one, ends=(end,)))


def name_book(networks: Sequence[Mapping[str, Any]] | None = None) -> NameBook:
    """Return the book of pynet's ``networks``, asked for if they are None, and of what the engine tells now."""
    return NameBook(answer("Networks")["Networks"] if networks is None else networks, inventory())


def _whole(found: Sequence[_Entry]) -> list[_Entry]:
    """Return entries without those of endpoints whose container is among them anyway."""
    containers = {entry.id for entry in found if entry.kind == CONTAINER and entry.id == entry.found.id}
    return [entry for entry in found if entry.id in containers or getattr(entry.found, "id", "") not in containers]


def _ambiguous(word: str, found: Sequence[_Entry], *, by_name: bool) -> BadUsage:
    if by_name:
        return BadUsage(f"'{word}' is the name of {len(found)} {found[0].kind}s: write the beginning of an id")
    things = sorted(f"{entry.kind} '{entry.found.label}' ({short_id(entry.id)})" for entry in found)
    more = [f"{len(things) - _MOST} more"] if len(things) > _MOST else []
    return BadUsage(f"'{word}' is the beginning of several ids, write more of it: {', '.join(things[:_MOST] + more)}")
