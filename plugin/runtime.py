"""The collaborators of verbs and repairs, as one value."""

from collections.abc import Mapping
from dataclasses import field

from netlink.values import dataclass
from plugin.dhcp.leases import Leases
from plugin.engine.names import Names
from plugin.firewall.firewall import Firewall
from plugin.host.reaper import Reaper
from plugin.host.sysctls import HostSettings
from plugin.interfaces import DirectRoutes, Kernel
from plugin.modes.applier import Applier
from plugin.modes.base import Mode
from plugin.publish.publisher import Publisher
from plugin.request.locks import Locks
from plugin.resolver.addresses import ResolverAddresses
from plugin.store.base import LocalStore


@dataclass(frozen=True, slots=True)
class Runtime:
    """The objects that serving requests and repairing have in common."""

    kernel: Kernel
    store: LocalStore
    firewall: Firewall
    settings: HostSettings
    publisher: Publisher
    reaper: Reaper
    modes: Mapping[str, Mode]
    applier: Applier
    locks: Locks
    leases: Leases
    places: ResolverAddresses
    routes: DirectRoutes
    names: Names = field(default_factory=Names)
