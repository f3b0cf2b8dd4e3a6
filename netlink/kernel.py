"""All verbs on the network namespace that this process lives in.

Verbs of the hot path use packed messages (``netlink.request``). The others use pyroute2, which is loaded when the first
of them runs (``netlink.links``).
"""

from pathlib import Path

from netlink.addresses import Addresses
from netlink.bridge_vlan import BridgeVlans
from netlink.gso import Gso
from netlink.host_routes import NeighbourRoutes
from netlink.lan_links import LanLinks
from netlink.limits import RateLimits
from netlink.links import Links
from netlink.own_changes import OwnChanges
from netlink.request import Requests
from netlink.sysctl import FOLDER, Sysctls


class Kernel(Links, Addresses, Sysctls, Gso, RateLimits, NeighbourRoutes, LanLinks, BridgeVlans):
    """Implements ``plugin.interfaces.Kernel``.

    ``changes`` remembers the changes made here, so that a monitor can tell them from changes of others. ``settings`` is
    the folder of the kernel's settings.
    """

    def __init__(
        self,
        group: int = 0,
        changes: OwnChanges | None = None,
        requests: Requests | None = None,
        settings: Path = FOLDER,
    ) -> None:
        changes, requests = changes or OwnChanges(), requests or Requests()
        Sysctls.__init__(self, settings, changes)
        Addresses.__init__(self, requests, changes)
        Gso.__init__(self, requests)
        RateLimits.__init__(self, requests, changes, group)
        NeighbourRoutes.__init__(self, requests, changes)
        LanLinks.__init__(self, requests, changes, group)
        BridgeVlans.__init__(self, requests)
        Links.__init__(self, requests, changes, self, group)

    def close(self) -> None:
        """Close the socket of this thread."""
        self._requests.close()
