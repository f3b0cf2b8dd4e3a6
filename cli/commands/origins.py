"""The settings of networks and endpoints with their origins, for JSON. Lists for people do without and start faster."""

from collections.abc import Sequence
from typing import Any

from cli.listing import Row
from plugin.modes.registry import MODES
from plugin.options.network import NetworkSettings
from plugin.options.option import Option
from plugin.options.origin import Origin, network_layers, of_endpoint, of_network


def with_settings(networks: Sequence[Row]) -> list[Row]:
    """Return rows of networks and of their endpoints with ``settings``: every option, its value, and its origin."""
    return [_network(network) for network in networks]


def _network(network: Row) -> Row:
    options, changes = network["options"], network["changes"]
    layers = network_layers(options, changes)
    ends = [
        {**end, "settings": _as_data(of_endpoint(layers, end["options"], end["changes"]))}
        for end in network["endpoints"]
    ]
    settings = _as_data(of_network(_declared(network["mode"]), options, changes))
    return {**network, "settings": settings, "endpoints": ends}


def _declared(mode: str) -> Sequence[Option[Any]]:
    """Return the options of networks of a mode, also of one that only another version has."""
    return next((each.settings for each in MODES if each.name == mode), NetworkSettings).options()


def _as_data(settings: Sequence[Origin]) -> list[dict[str, str]]:
    return [{"key": one.key, "value": one.value, "origin": one.origin} for one in settings]
