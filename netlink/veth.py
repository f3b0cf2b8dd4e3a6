"""Veth pairs: one end stays on the host as a port of a bridge, the other goes into a container."""

from collections.abc import Mapping
from dataclasses import field

from netlink import request, uapi
from netlink.bridge_port import BridgePort
from netlink.gso import gso_sizes
from netlink.values import dataclass
from netlink.wire import attribute, message, text, word


@dataclass(frozen=True, slots=True)
class VethPair:
    """Both ends of a veth pair: ``host`` stays and joins ``master``, ``peer`` goes into a container.

    ``alias``, ``mac`` and the sysctls ``settings`` are those of ``host``; the sysctls are set before it is up, and
    without a MAC the kernel chooses one. ``mtu`` in bytes is that of both ends, or with ``peer_mtu`` of ``host`` alone;
    with 0 it is that of the bridge, which a port with a smaller one would change, and ``peer_mtu`` only lowers it.
    ``gso`` is the largest packet of both ends, ``master_gso`` that of the bridge, in bytes, 0 for the kernel's own
    (``netlink.gso``).
    """

    host: str
    peer: str
    peer_mac: str
    master: str
    mtu: int
    alias: str = ""
    port: BridgePort = field(default_factory=BridgePort)
    settings: Mapping[str, str] = field(default_factory=dict)
    gso: int = 0
    master_gso: int = 0
    mac: str = ""
    peer_mtu: int = 0

    def mtus(self, of_master: int) -> tuple[int, int]:
        """Return the MTUs of both ends; ``of_master`` is the bridge's."""
        own = self.mtu or of_master
        return own, min(own, self.peer_mtu) if self.peer_mtu else own


def new_pair(pair: VethPair, master: int, mtu: int, group: int) -> bytes:
    """RTM_NEWLINK of a pair whose host end is in the bridge with the index ``master`` and ``mtu``; both are down."""
    sizes, (mtu, peer_mtu) = gso_sizes(pair.gso), pair.mtus(mtu)
    peer = request.NO_LINK + text(uapi.IFLA_IFNAME, pair.peer) + word(uapi.IFLA_MTU, peer_mtu) + sizes
    peer = attribute(uapi.VETH_INFO_PEER, peer + attribute(uapi.IFLA_ADDRESS, request.mac_bytes(pair.peer_mac)))
    kind = text(uapi.IFLA_INFO_KIND, "veth") + attribute(uapi.IFLA_INFO_DATA, peer)
    body = request.NO_LINK + text(uapi.IFLA_IFNAME, pair.host) + word(uapi.IFLA_MASTER, master)
    body += word(uapi.IFLA_MTU, mtu) + sizes
    body += attribute(uapi.IFLA_ADDRESS, request.mac_bytes(pair.mac)) if pair.mac else b""
    body += word(uapi.IFLA_GROUP, group) + attribute(uapi.IFLA_LINKINFO, kind)
    return message(uapi.RTM_NEWLINK, request.NEW, body)
