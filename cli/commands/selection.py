"""The networks and containers that the words of a command choose."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.commands.name_book import NameBook


@dataclass(frozen=True, slots=True)
class Selection:
    """Networks and endpoints by id, and containers by name, whose later endpoints count too.

    A selection of nothing is everything.
    """

    networks: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.networks or self.containers or self.endpoints)

    def has(self, network: str, container: str, endpoint: str) -> bool:
        """Return whether an endpoint is chosen."""
        return not self or network in self.networks or container in self.containers or endpoint in self.endpoints


def select(words: Sequence[str], known: NameBook) -> Selection:
    """Return the networks of pynet and the running containers that ``words`` name; raises as ``NameBook.either``."""
    networks, containers, endpoints = set[str](), set[str](), set[str]()
    for word in words:
        network, container = known.either(word)
        if network is not None:
            networks.add(network.id)
        if container is not None:
            endpoints |= container.endpoints
            containers |= {container.name} - {""}
    return Selection(frozenset(networks), frozenset(containers), frozenset(endpoints))
