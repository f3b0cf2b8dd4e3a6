"""The registry of modes, and the only module that names them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlink.links import Link
from plugin.errors import InvalidRequest
from plugin.model.records import Network
from plugin.modes.base import HostParts, LinkKind, Mode
from plugin.modes.bridge import BridgeMode
from plugin.modes.overlay import OverlayMode
from plugin.options.network import NetworkSettings
from plugin.options.option import Option

MODE = NetworkSettings.mode
MODES: Sequence[type[Mode]] = (BridgeMode, OverlayMode)


def modes_of(parts: HostParts, kinds: Iterable[type[Mode]] = MODES) -> dict[str, Mode]:
    """Return a mode of each of ``kinds``, by its name."""
    return {kind.name: kind(parts) for kind in kinds}


def in_its_mode(network: Network, links: Sequence[Link]) -> Network:
    """Return a network from the kernel, as its mode makes it; pynet made ``links`` for it."""
    for mode in MODES:
        network = mode.rebuilt(network, links)
    return network


def mode_option(modes: Iterable[Mode | type[Mode]]) -> Option[str]:
    """Return the option that chooses one of ``modes``, with its legal values."""
    known = list(modes)
    summaries = "; ".join(f"`{mode.name}`: {mode.summary}" for mode in known)
    return replace(MODE, legal=" or ".join(mode.name for mode in known), help=summaries)


def network_options(modes: Iterable[Mode | type[Mode]] = MODES) -> list[Option[Any]]:
    """Return the options of networks, including those of single modes."""
    known, (_, *common) = list(modes), NetworkSettings.options()
    own = [option for mode in known for option in mode.options if option not in common]
    return [mode_option(known), *common, *own]


def chosen(modes: Mapping[str, Mode], name: str) -> Mode:
    """Return the mode called ``name``; raises ``InvalidRequest`` without one."""
    if name not in modes:
        raise InvalidRequest(f"option '{MODE.key}' must be {mode_option(modes.values()).legal}, not '{name}'")
    return modes[name]


def refuse_options_of_others(mode: Mode, modes: Mapping[str, Mode], raw: Mapping[str, str]) -> None:
    """Raise ``InvalidRequest`` if a user gave an option that only another mode has."""
    for other in modes.values():
        for option in other.options:
            if option.key in raw and option not in mode.options:
                raise InvalidRequest(
                    f"option '{option.key}' is for mode {other.name} only: add -o {MODE.key}={other.name}"
                )


def link_kinds(modes: Mapping[str, Mode]) -> list[LinkKind]:
    """Return the kinds of links that ``modes`` make."""
    return list(dict.fromkeys(kind for mode in modes.values() for kind in mode.links))


def link_prefixes(modes: Mapping[str, Mode]) -> tuple[str, ...]:
    """Return the prefixes of the names of links that ``modes`` make."""
    return tuple(kind.prefix for kind in link_kinds(modes))
