"""Who has which address and link: the answer of pynet, with the names that Docker gave; one way for all commands."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from cli.commands.selection import Selection
from cli.listing import short_id
from netlink.errors import KernelError
from netlink.ip import Address
from plugin.engine.names import Known
from plugin.errors import PynetError

Load = Callable[[], tuple[Mapping[str, Any], Known]]  # the reply to the verb Networks, and the engine's names
PATIENCE = 1.0  # seconds before somebody unknown is looked up again
HOST = "host"  # the owner of the gateway addresses of networks


@dataclass(frozen=True, slots=True)
class Holder:
    """The container and the network that have an address or a link; ids are of endpoint and network."""

    container: str = ""
    endpoint: str = ""
    network: str = ""
    network_name: str = ""

    @property
    def label(self) -> str:
        """The container by its name, or by the beginning of the endpoint's id; "" for nobody."""
        return self.container or short_id(self.endpoint)

    @property
    def network_label(self) -> str:
        """The network by its name, or by the beginning of its id."""
        return self.network_name or short_id(self.network)


NOBODY = Holder()


class AddressBook:
    """Looks owners up; ``load`` is asked again when somebody unknown appears.

    ``chosen`` are the addresses of the endpoints of ``selection``, in network order; ``clock`` returns seconds.
    """

    def __init__(self, load: Load, clock: Callable[[], float], selection: Selection | None = None) -> None:
        self._load = load
        self._clock = clock
        self._selection = selection or Selection()
        self._read()

    def find(self, *keys: str | bytes) -> Holder:
        """Return the owner of the first of some endpoint ids, links and addresses in network order that has one."""
        return next((self._owners[key] for key in keys if key in self._owners), NOBODY)

    def owner(self, endpoint: str, link: str, address: str) -> Holder:
        """Return the owner of an endpoint's id, a link or an address, "" for an unknown one; they count in this order.

        A container can write any address into its packets, but has its own link; the link of a network says little.
        Somebody who is no container may be a new one, so the answers are asked for again, at most once a second.
        """
        keys = [key for key in (endpoint, link, _packed(address)) if key]
        found = self._best(keys)
        if keys and not found.label and self.look_again():
            found = self._best(keys)
        return found

    def look_again(self) -> bool:
        """Ask for the answers again, unless that was a moment ago; return whether it was done.

        Without an answer, owners are as before.
        """
        if self._clock() - self._read_at <= PATIENCE:
            return False
        with suppress(KernelError, PynetError):
            self._read()
        return True

    def concerns(self, addresses: Iterable[bytes]) -> bool:
        """Return whether one of some addresses is a chosen one."""
        return not self.chosen.isdisjoint(addresses)

    def network_name(self, network: str) -> str:
        """Return the name of a network, "" if Docker does not tell."""
        return self._networks.get(network, "")

    def addresses(self, endpoints: Collection[str]) -> list[Address]:
        """Return the addresses of endpoints, by their ids."""
        return [
            ip_address(key)
            for key, owner in self._owners.items()
            if isinstance(key, bytes) and owner.endpoint in endpoints
        ]

    def _best(self, keys: Sequence[str | bytes]) -> Holder:
        every = [self._owners[key] for key in keys if key in self._owners]
        return next((one for one in every if one.label), every[0] if every else NOBODY)

    def _read(self) -> None:
        self._read_at = self._clock()
        reply, names = self._load()
        owners: dict[str | bytes, Holder] = {}
        chosen: set[bytes] = set()
        for network in reply["Networks"]:
            of = {"network": network["ID"], "network_name": names.networks.get(network["ID"], "")}
            owners[network["Link"]] = Holder(**of)
            gateways = [one["Gateway"] for one in network["Subnets"] if one["Gateway"]]
            owners |= {ip_address(one).packed: Holder(HOST, **of) for one in gateways}
            for end in network["Endpoints"]:
                name = names.containers.get(end["ID"], "")
                own = [ip_interface(end[key]).ip.packed for key in ("IPv4", "IPv6") if end[key]]
                links = [end["Link"]] * (end["Link"] != network["Link"])  # a parent is nobody's own
                owners |= dict.fromkeys((end["ID"], *links, *own), Holder(name, end["ID"], **of))
                if self._selection.has(network["ID"], name, end["ID"]):
                    chosen.update(own)
        self._owners, self.chosen = owners, frozenset(chosen)
        self._networks: dict[str, str] = {one["ID"]: names.networks.get(one["ID"], "") for one in reply["Networks"]}


def _packed(address: str) -> bytes:
    return ip_address(address).packed if address else b""
