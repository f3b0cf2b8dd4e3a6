"""Where the value of an option comes from: Docker's options, changes by pynet over them, or a default. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netlink.values import dataclass
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.option import Option, default_text

DEFAULT = "default"
NETWORK_OPTION, NETWORK_CHANGE = "network option", "network change"
ENDPOINT_OPTION, ENDPOINT_CHANGE = "endpoint option", "endpoint change"
Texts = Mapping[str, str]
Layers = Sequence[tuple[str, Texts]]  # origins with their texts; a later one goes before an earlier one


@dataclass(frozen=True, slots=True)
class Origin:
    """An option with its text in force; ``origin`` is one of the constants above."""

    key: str
    value: str
    origin: str


def of_network(declared: Sequence[Option[Any]], options: Texts, changes: Texts) -> list[Origin]:
    """Return the options ``declared`` for a network, with the user's ``options`` and the ``changes`` over them."""
    return list(_found(declared, network_layers(options, changes)))


def of_endpoint(network: Layers, options: Texts, changes: Texts) -> list[Origin]:
    """Return the options of an endpoint; ``network`` are the layers of its network (``network_layers``).

    An option without a value of the endpoint has the network's, if its default is None there; otherwise both have
    values of their own.
    """
    own: Layers = [(ENDPOINT_OPTION, options), (ENDPOINT_CHANGE, changes)]
    return [
        origin
        for option in EndpointSettings.options()
        for origin in _found([option], [*network, *own] if option.default is None else own)
    ]


def network_layers(options: Texts, changes: Texts) -> Layers:
    """Return the layers of a network."""
    return [(NETWORK_OPTION, options), (NETWORK_CHANGE, changes)]


def _found(declared: Sequence[Option[Any]], layers: Layers) -> Iterator[Origin]:
    for option in declared:
        last = next(((name, texts) for name, texts in reversed(layers) if option.key in texts), None)
        if last is None:
            yield Origin(option.key, default_text(_default(option)), DEFAULT)
        else:
            yield Origin(option.key, last[1][option.key], last[0])


def _default(option: Option[Any]) -> object:
    """Return the default of an option, which for one that an endpoint inherits is its network's."""
    if option.default is not None:
        return option.default
    of_network = {each.key: each.default for each in NetworkSettings.options()}
    return of_network.get(option.key)
