"""Who has which address and link: the answer of pynet, with the names that Docker gave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.commands.networks import DockerNames
from plugin.errors import NotFound

Load = Callable[[], tuple[Mapping[str, Any], DockerNames]]  # the reply to the verb Networks, and names
PATIENCE = 1.0  # seconds before somebody unknown is looked up again


@dataclass(frozen=True, slots=True)
class Holder:
    """The container and the network that have an address or a link; ids are of endpoint and network."""

    container: str = ""
    endpoint: str = ""
    network: str = ""
    network_name: str = ""


NOBODY = Holder()


class AddressBook:
    """Looks owners up by address and by link; ``load`` is asked again when somebody unknown appears.

    ``clock`` returns seconds.
    """

    def __init__(self, load: Load, clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._owners: dict[str, Holder] = {}  # by address, link and endpoint id
        self._networks: dict[str, str] = {}  # names by id
        self._read()

    def owner(self, *keys: str) -> Holder:
        """Return the owner of the first of some addresses, links and endpoint ids that has one.

        Somebody who is no container may be a new one, so the answers are asked for again, at most once a second.
        """
        found = self._found(keys)
        if not found.endpoint and any(keys) and self._clock() - self._read_at > PATIENCE:
            self._read()
            found = self._found(keys)
        return found

    def network_name(self, network: str) -> str:
        """Return the name of a network, "" if Docker does not tell."""
        return self._networks.get(network, "")

    def check(self, word: str) -> None:
        """Refuse a word that names no container and no network.

        Raises:
            NotFound: see above.
        """
        names = {owner.container for owner in self._owners.values()} | set(self._networks.values())
        ids = {key for owner in self._owners.values() for key in (owner.endpoint, owner.network)} | set(self._networks)
        if word not in names - {""} and not any(key.startswith(word) for key in ids):
            raise NotFound(f"'{word}' is the name or id of no container and no network of pynet")

    def addresses(self, container: str) -> list[str]:
        """Return the addresses of a container, by its name or the beginning of an endpoint's id; [] for none."""
        return [key for key, owner in self._owners.items() if _is_address(key) and _is(container, owner)]

    def links(self, container: str) -> list[str]:
        """Return the host's ends of the links of a container."""
        return [key for key, owner in self._owners.items() if not _is_address(key) and _is(container, owner)]

    def _found(self, keys: Sequence[str]) -> Holder:
        return next((self._owners[key] for key in keys if key in self._owners), NOBODY)

    def _read(self) -> None:
        reply, names = self._load()
        self._read_at = self._clock()
        self._owners, self._networks = {}, {}
        for network in reply["Networks"]:
            name = names.networks.get(network["ID"], "")
            self._networks[network["ID"]] = name
            self._owners[network["Link"]] = Holder(network=network["ID"], network_name=name)
            for end in network["Endpoints"]:
                container = names.endpoints.get(end["ID"], ("", ""))[1]
                owner = Holder(container, end["ID"], network["ID"], name)
                addresses = (end[key].partition("/")[0] for key in ("IPv4", "IPv6") if end[key])
                self._owners |= dict.fromkeys((end["ID"], end["Link"], *addresses), owner)


def _is(word: str, owner: Holder) -> bool:
    return bool(owner.endpoint) and (word == owner.container or owner.endpoint.startswith(word))


def _is_address(key: str) -> bool:
    return ":" in key or "." in key
