"""Ports of a bridge: which MACs are behind them, and flags by which every frame meets the rules of nftables.

A bridge hands frames to the group addresses 01:80:c2:00:00:00 to 0f (IEEE 802.1D, 7.12.6) to the port itself, learns
from them, and shows most of them to no hook (br_handle_frame, net/bridge/br_input.c). A port whose mask
forwards them treats them like other frames: they meet the hook prerouting first, whose rules drop them. The kernel
itself drops frames to 01:80:c2:00:00:01.
"""

import struct
from functools import cache

from netlink import request, uapi
from netlink.bridge_vlan import Vlans, vlan_requests, vlans
from netlink.values import dataclass
from netlink.wire import attribute, attributes, chosen

GROUPS = 0xFFFD  # every group address but :01, which the kernel refuses (BR_GROUPFWD_MACPAUSE, net/bridge/br_private.h)
_SHORT = struct.Struct(f"{uapi.ORDER}H")


@dataclass(frozen=True, slots=True)
class BridgePort:
    """A port of a bridge; ``macs`` are always behind it, other MACs only if it is ``learning`` them from frames.

    That of a container with a policy is ``ruled``: it is in a link group of its own (``netlink.links.ruled``). The
    bridge passes no frame between two ``isolated`` ports, whoever made them. Frames without a tag are of the VLAN
    ``vlan``, and frames of ``vlans`` have one; without both the bridge decides (``netlink.bridge_vlan``).
    """

    learning: bool = False
    macs: tuple[str, ...] = ()
    ruled: bool = False
    isolated: bool = False
    vlan: int = 0
    vlans: tuple[int, ...] = ()

    @property
    def tags(self) -> Vlans:
        """The VLANs that the port is in, and no other; none if the bridge decides."""
        return vlans(self.vlan, self.vlans)


def port_flags(*, learning: bool, isolated: bool = False) -> bytes:
    """Return the IFLA_BRPORT_* attributes of a port whose group frames meet the rules."""
    flags = attribute(uapi.IFLA_BRPORT_LEARNING, bytes([learning]))
    flags += attribute(uapi.IFLA_BRPORT_ISOLATED, bytes([isolated]))
    return flags + attribute(uapi.IFLA_BRPORT_GROUP_FWD_MASK, _SHORT.pack(GROUPS))


def port_requests(index: int, port: BridgePort) -> list[bytes]:
    """Return the requests that give the link with ``index`` the VLANs, flags and MACs of ``port``.

    The kernel enters a MAC into the VLANs that the port is in at that moment.
    """
    flags = request.port(index, port_flags(learning=port.learning, isolated=port.isolated))
    return [*vlan_requests(index, port.tags), flags, *(request.forward(index, mac) for mac in port.macs)]


def is_like(slave_data: bytes, port: BridgePort) -> bool:
    """Return whether IFLA_INFO_SLAVE_DATA, as the kernel lists it, has the flags of ``port``."""
    wanted = _flags(learning=port.learning, isolated=port.isolated)
    return chosen(slave_data, wanted) == wanted


@cache
def _flags(*, learning: bool, isolated: bool) -> dict[int, bytes]:
    """Return the attributes of ``port_flags``."""
    return dict(attributes(port_flags(learning=learning, isolated=isolated)))
