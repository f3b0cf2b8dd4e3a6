"""What verbs and repairs work with, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.locks import Locks
from plugin.modes.base import Mode
from plugin.names import Names
from plugin.ports import Kernel
from plugin.publish.publisher import Publisher
from plugin.reaper import Reaper
from plugin.store.base import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects that serving requests and repairing have in common."""

    kernel: Kernel
    store: Store
    firewall: Firewall
    settings: HostSettings
    publisher: Publisher
    reaper: Reaper
    modes: Mapping[str, Mode]
    locks: Locks
    names: Names = field(default_factory=Names)
