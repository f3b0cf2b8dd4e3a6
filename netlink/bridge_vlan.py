"""VLANs of ports of a bridge that tells VLANs apart (``vlan_filtering``).

A frame without a tag that comes in by a port is of the port's own VLAN; the bridge passes it on to ports that are in
that VLAN, with a tag or without as each of them says. A new port is in the bridge's default VLAN, which is 1.
"""

import struct
from collections.abc import Collection, Mapping

from netlink import request, uapi
from netlink.dump import dump
from netlink.errors import NotSupported, kernel_errors
from netlink.request import Requests, link_index
from netlink.wire import attribute, attributes, chosen, message, nested, number

LAST = 4094  # IEEE 802.1Q
OWN = uapi.BRIDGE_VLAN_INFO_PVID | uapi.BRIDGE_VLAN_INFO_UNTAGGED  # flags of the VLAN of frames without a tag
_INFO = struct.Struct(f"{uapi.ORDER}HH")  # struct bridge_vlan_info: flags, VLAN
Vlans = Mapping[int, int]  # flags by VLAN


def vlans(own: int, tagged: Collection[int]) -> Vlans:
    """Return the VLANs of a port: its ``own``, 0 for none, and those whose frames have a tag."""
    return {**dict.fromkeys(tagged, 0), **({own: OWN} if own else {})}


def vlan_requests(index: int, wanted: Vlans) -> list[bytes]:
    """Return the requests after which the port ``index`` is in the ``wanted`` VLANs and no other; none for no VLAN."""
    if not wanted:
        return []
    every = _info(uapi.BRIDGE_VLAN_INFO_RANGE_BEGIN, 1) + _info(uapi.BRIDGE_VLAN_INFO_RANGE_END, LAST)
    own = b"".join(_info(flags, vlan) for vlan, flags in wanted.items())
    return [_change(uapi.RTM_DELLINK, index, every), _change(uapi.RTM_SETLINK, index, own)]


class BridgeVlans:
    """Verbs on VLANs of bridges, which may raise ``KernelError``."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def tells_vlans(self, bridge: str) -> bool:
        """Return whether a bridge tells VLANs apart.

        Raises:
            NotSupported: no bridge of this kernel does (CONFIG_BRIDGE_VLAN_FILTERING).
        """
        action = f"look at the VLANs of bridge '{bridge}'"
        index = link_index(bridge, action)
        with kernel_errors(action):
            body = self._requests.ask(request.look_at(index))
        info = dict(attributes(chosen(body, {uapi.IFLA_LINKINFO}, uapi.IFINFOMSG.size).get(uapi.IFLA_LINKINFO, b"")))
        found = dict(attributes(info.get(uapi.IFLA_INFO_DATA, b"")))
        if number(found.get(uapi.IFLA_BR_VLAN_FILTERING, b"")):
            return True
        try:
            self.vlans_of(bridge)
        except NotSupported as error:
            raise NotSupported(f"{action}: this kernel has no VLANs of bridges (bridge vlan_filtering)") from error
        return False

    def vlans_of(self, port: str) -> Vlans:
        """Return the VLANs that a port, or a bridge itself, is in; raises ``NotSupported`` as above."""
        action = f"list the VLANs of '{port}'"
        body = uapi.BR_VLAN_MSG.pack(uapi.AF_BRIDGE, link_index(port, action))
        found: dict[int, int] = {}
        with kernel_errors(action):
            for answer in dump(uapi.RTM_GETVLAN, body):
                for kind, entry in attributes(answer[uapi.BR_VLAN_MSG.size :]):
                    if kind == uapi.BRIDGE_VLANDB_ENTRY:
                        found |= _entry(dict(attributes(entry)))
        return found


def _entry(entry: Mapping[int, bytes]) -> Vlans:
    """Read one VLAN, or several with the same flags in a row."""
    flags, first = _INFO.unpack_from(entry[uapi.BRIDGE_VLANDB_ENTRY_INFO])
    last = number(entry.get(uapi.BRIDGE_VLANDB_ENTRY_RANGE, b"")) or first
    return dict.fromkeys(range(first, last + 1), flags & OWN)


def _info(flags: int, vlan: int) -> bytes:
    return attribute(uapi.IFLA_BRIDGE_VLAN_INFO, _INFO.pack(flags, vlan))


def _change(kind: int, index: int, infos: bytes) -> bytes:
    """RTM_SETLINK or RTM_DELLINK of VLANs of a port."""
    head = uapi.IFINFOMSG.pack(uapi.AF_BRIDGE, 0, index, 0, 0)
    return message(kind, uapi.NLM_F_ACK, head + nested(uapi.IFLA_AF_SPEC, infos))
