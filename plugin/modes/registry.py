"""The registry of modes, and the only module that names them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlink.links import Link
from plugin.errors import Failed, InvalidRequest
from plugin.model.records import Network
from plugin.modes.base import HostParts, LinkKind, Mode
from plugin.modes.bridge import BridgeMode
from plugin.modes.children import ChildMode
from plugin.modes.ipvlan import IpvlanMode
from plugin.modes.lan import LanMode
from plugin.modes.macvlan import MacvlanMode
from plugin.modes.overlay import OverlayMode
from plugin.options.network import NetworkSettings
from plugin.options.option import Option

MODE = NetworkSettings.mode
Kinds = Iterable[type[Mode]]
MODES: Kinds = (BridgeMode, OverlayMode, MacvlanMode, IpvlanMode, LanMode)


def modes_of(parts: HostParts, kinds: Kinds = MODES) -> dict[str, Mode]:
    """Return a mode of each of ``kinds``, by its name."""
    return {kind.name: kind(parts) for kind in kinds}


def in_its_mode(network: Network, links: Sequence[Link], kinds: Kinds = MODES) -> Network:
    """Return a network from the kernel, as its mode of ``kinds`` makes it; pynet made ``links`` for it."""
    for mode in kinds:
        network = mode.rebuilt(network, links)
    return network


def mode_option(modes: Iterable[Mode | type[Mode]]) -> Option[str]:
    """Return the option that chooses one of ``modes``, with its legal values."""
    known = list(modes)
    summaries = "; ".join(f"`{mode.name}`: {mode.summary}" for mode in known)
    return replace(MODE, legal=" or ".join(mode.name for mode in known), help=summaries)


def network_options(modes: Iterable[Mode | type[Mode]] = MODES) -> list[Option[Any]]:
    """Return the options of networks, with those of single modes after the one that chooses a mode."""
    known, (_, *common) = list(modes), NetworkSettings.options()
    return [mode_option(known), *dict.fromkeys(option for mode in known for option in own_options(mode)), *common]


def own_options(mode: Mode | type[Mode]) -> list[Option[Any]]:
    """Return the options that networks of ``mode`` have, and networks of every mode do not."""
    common = NetworkSettings.options()
    return [option for option in mode.settings.options() if option not in common]


def read_settings(modes: Mapping[str, Mode], raw: Mapping[str, str]) -> tuple[Mode, NetworkSettings]:
    """Return the mode that a user chose, and the user's options as an object of its class of settings.

    Raises:
        InvalidRequest: an option is unknown, of another mode, or has a bad value.
    """
    mode = chosen(modes, NetworkSettings.readable(raw).mode)
    refuse_options(mode, raw)
    _refuse_options_of_others(mode, modes, raw)
    return mode, mode.settings.read(raw)


def mode_of(modes: Mapping[str, Mode], network: Network) -> Mode:
    """Return the mode of a stored network.

    Raises:
        Failed: this pynet does not have the mode.
        InvalidRequest: the record holds an option that the mode cannot read, as after a step back to an older pynet.
    """
    mode = modes.get(network.mode)
    if mode is None:
        raise Failed(f"it is of mode '{network.mode}', which this pynet does not have")
    mode.settings.read(network.in_force)
    return mode


def chosen(modes: Mapping[str, Mode], name: str) -> Mode:
    """Return the mode called ``name``; raises ``InvalidRequest`` without one."""
    if name not in modes:
        raise InvalidRequest(f"option '{MODE.key}' must be {mode_option(modes.values()).legal}, not '{name}'")
    return modes[name]


def refuse_options(mode: Mode, raw: Iterable[str]) -> None:
    """Refuse options of a network or an endpoint that ``mode`` cannot honour; raises ``InvalidRequest``."""
    for key in raw:
        if key in mode.refuses:
            raise InvalidRequest(f"option '{key}' has no effect in mode {mode.name}: {mode.refuses[key]}")


def _refuse_options_of_others(mode: Mode, modes: Mapping[str, Mode], raw: Mapping[str, str]) -> None:
    known = {option.key for option in mode.settings.options()}
    foreign = {option.key for other in modes.values() for option in own_options(other)} - known
    for key in raw:
        if key in foreign:
            having = [each.name for each in modes.values() if key in {option.key for option in own_options(each)}]
            raise InvalidRequest(
                f"option '{key}' is for mode {' or '.join(having)} only: add -o {MODE.key}={having[0]}"
            )


def among_siblings(network: Network, kinds: Kinds = MODES) -> str:
    """Return the kernel's word for how containers of one parent see each other, "" in modes without parents."""
    kind = next((kind for kind in kinds if kind.name == network.mode), None)
    return kind.variety(network).among if kind is not None and issubclass(kind, ChildMode) else ""


def shared_mac(mode: Mode, network: Network) -> str:
    """Return the MAC that all containers of a network have, "" if each has its own."""
    return mode.shared_mac(network) if isinstance(mode, ChildMode) else ""


def has_rules(name: str, kinds: Kinds = MODES) -> bool:
    """Return whether frames of containers in networks of a mode pass rules of this host."""
    return not any(kind.name == name and NetworkSettings.guard.key in kind.refuses for kind in kinds)


def link_kinds(modes: Mapping[str, Mode]) -> list[LinkKind]:
    """Return the kinds of links that ``modes`` make."""
    return list(dict.fromkeys(kind for mode in modes.values() for kind in mode.links))


def link_prefixes(modes: Mapping[str, Mode]) -> tuple[str, ...]:
    """Return the prefixes of the names of links that ``modes`` make, and that stay on the host."""
    return tuple(kind.prefix for kind in link_kinds(modes) if not kind.moves)
