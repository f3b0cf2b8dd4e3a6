"""What networks that span hosts have in common with the other hosts, as one value."""

from dataclasses import dataclass

from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import Presence
from plugin.cluster.overlay.table_sync import TableSync
from plugin.cluster.overlay.underlay import Underlay
from plugin.interfaces import Tunnels


@dataclass(frozen=True, slots=True)
class Shared:
    """``closed`` says why there can be no such network, or is empty."""

    tunnels: Tunnels
    agreement: Agreement
    peers: TableSync
    own: Presence
    underlay: Underlay
    closed: str = ""
