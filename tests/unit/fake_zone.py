"""Names of one network, in memory, as a zone of the resolver."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from plugin.protocol.messages import Address


class FakeZone:
    """Has ``names`` with their addresses, for the clients of ``network``."""

    def __init__(self, network: str, names: Mapping[str, Sequence[str]], clients: Sequence[str] = ()) -> None:
        self._network = network
        self._names = {name: [ip_address(one) for one in found] for name, found in names.items()}
        self._clients = [ip_address(one) for one in clients]

    def network_of(self, source: Address) -> str | None:
        """Know the clients that were given."""
        return self._network if source in self._clients else None

    def addresses(self, network: str, name: str) -> Sequence[Address] | None:
        """Return the addresses of a name of the network."""
        return self._names.get(name) if network == self._network else None

    def names(self, network: str, address: Address) -> Sequence[str]:
        """Return the names of an address of the network."""
        return [name for name, found in self._names.items() if address in found and network == self._network]
