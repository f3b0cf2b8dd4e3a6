"""What an endpoint may send from: the guard of its network, opened for it as far as the user wants."""

from dataclasses import dataclass

from plugin.model.records import Endpoint, Network
from plugin.options.network import (
    ENDPOINT_GUARD,
    ENDPOINT_GUARD_ALLOW,
    ENDPOINT_OPTIONS,
    GUARD,
    GUARD_ALLOW,
    NETWORK_OPTIONS,
)
from plugin.options.option import read_options
from plugin.options.senders import Senders


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether an endpoint is guarded, and what it may send from beside its own MAC and addresses."""

    on: bool
    allowed: Senders


def guard_of(network: Network, endpoint: Endpoint) -> Guard:
    """Return the guard of ``endpoint``: its own word goes before the network's, and what both allow is allowed."""
    of_network = read_options(NETWORK_OPTIONS, network.options)
    own = read_options(ENDPOINT_OPTIONS, endpoint.driver_opts)
    wish = own[ENDPOINT_GUARD]
    on = of_network[GUARD] if wish is None else wish
    return Guard(on, of_network[GUARD_ALLOW] | own[ENDPOINT_GUARD_ALLOW])
