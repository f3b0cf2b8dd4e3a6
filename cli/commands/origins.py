"""The settings of networks and endpoints with their origins, for JSON. Lists for people do without and start faster."""

from collections.abc import Container, Sequence

from cli.listing import Row
from plugin.modes.registry import MODES
from plugin.options.network import NetworkSettings
from plugin.options.origin import Origin, network_layers, of_endpoint, of_network


def with_settings(networks: Sequence[Row]) -> list[Row]:
    """Return rows of networks and of their endpoints with ``settings``: every option, its value, and its origin."""
    return [_network(network) for network in networks]


def _network(network: Row) -> Row:
    options, changes = network["options"], network["changes"]
    layers = network_layers(options, changes)
    mode = next((each for each in MODES if each.name == network["mode"]), None)
    refused = mode.refuses if mode else ()
    ends = [
        {**end, "settings": _as_data(of_endpoint(layers, end["options"], end["changes"]), refused)}
        for end in network["endpoints"]
    ]
    declared = (mode.settings if mode else NetworkSettings).options()
    settings = _as_data(of_network(declared, options, changes), refused)
    return {**network, "settings": settings, "endpoints": ends}


def _as_data(settings: Sequence[Origin], refused: Container[str]) -> list[dict[str, str]]:
    """Return the options as JSON, without those that the mode cannot honour."""
    shown = [one for one in settings if one.key not in refused]
    return [{"key": one.key, "value": one.value, "origin": one.origin} for one in shown]
