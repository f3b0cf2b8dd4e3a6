"""What the leader of a swarm settles for a network before a node makes it: the name by which all nodes know it.

The engine calls AllocateNetwork on the leader at creation, and again with the earlier answer on every new leader (moby
daemon/libnetwork/cnmallocator/networkallocator.go, allocateDriverState). So the answer follows from the request alone:
nothing is stored, no leader needs the state of another one, and FreeNetwork has nothing to free. VNI, port and MTU are
agreed in the cluster store when the first node makes the network (``plugin.cluster.overlay.agreement``).
"""

from collections.abc import Mapping
from typing import Protocol

from plugin.modes.base import Mode
from plugin.modes.overlay import OverlayMode, OverlaySettings
from plugin.modes.registry import read_settings
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import AllocateNetwork, Capabilities
from plugin.swarm.scopes import LOCAL, SWARM

GLOBAL = "global"  # the engine's word for networks of a swarm


class ScopeSettings(Protocol):
    """The settings of which the engine hears in GetCapabilities."""

    @property
    def scope(self) -> str: ...
    @property
    def gateway_check(self) -> bool: ...


def capabilities_of(settings: ScopeSettings) -> Capabilities:
    """Return the answer to GetCapabilities.

    With a global connectivity scope the nodes of a swarm share the names of containers too (moby
    daemon/libnetwork/agent.go).
    """
    word = GLOBAL if settings.scope == SWARM else LOCAL
    return Capabilities(word, word, settings.gateway_check)


def settle(modes: Mapping[str, Mode], request: AllocateNetwork, capabilities: Capabilities) -> Mapping[str, str]:
    """Return all options that the nodes get: those of the user, and in a swarm a mode and a name.

    An option that is not echoed is lost to the nodes. A network without a mode spans the nodes, and one without a name
    is known by its id, which swarm never gives twice. Options of a mode are read here as on a node.

    Raises:
        InvalidRequest: an option is unknown, of another mode, or has a bad value.
    """
    options = dict(request.options)
    if capabilities.scope == GLOBAL:
        options.setdefault(NetworkSettings.mode.key, OverlayMode.name)
        if options[NetworkSettings.mode.key] == OverlayMode.name:
            options.setdefault(OverlaySettings.network.key, request.network_id)
    read_settings(modes, options)
    return options
