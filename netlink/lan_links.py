"""Links below and above a link of the host: children that go into containers (macvlan, ipvlan), and VLANs.

A child shares the wire of its parent, and is deleted by the kernel with it, in whatever namespace it is.
"""

import errno
import sys
from pathlib import Path

from netlink import request, uapi
from netlink.errors import NotSupported, kernel_errors
from netlink.links import Link, parse_link
from netlink.own_changes import GONE, MADE, OwnChanges
from netlink.request import Requests, link_index
from netlink.values import dataclass
from netlink.wire import attribute, check, message, text, word

SYS = Path("/sys/class/net")
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}  # linux/if_link.h, enum macvlan_mode
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}  # enum ipvlan_mode
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}  # IPVLAN_F_*


@dataclass(frozen=True, slots=True)
class ChildLink:
    """A link of ``kind`` macvlan or ipvlan on the link ``parent``; ``variety`` and ``flag`` are the kernel's words.

    With ``mac`` "" and ``mtu`` 0 (bytes) the kernel chooses: a MAC at random, or the parent's, and the parent's MTU.
    """

    name: str
    kind: str
    parent: str
    variety: str
    flag: str = ""
    mac: str = ""
    mtu: int = 0
    alias: str = ""


class LanLinks:
    """Verbs on such links, which may raise ``KernelError``; links are born in link group ``group``."""

    def __init__(self, requests: Requests, changes: OwnChanges, group: int) -> None:
        self._requests = requests
        self._changes = changes
        self._group = group

    def add_child(self, child: ChildLink) -> None:
        """``ip link add NAME link PARENT address MAC type KIND mode VARIETY``; the link stays down.

        Raises:
            Exists: the name is taken.
            InUse: the parent has links of another kind upon it, or is a port of a bridge.
            NotSupported: the kernel has no links of that kind.
        """
        action = f"add {child.kind} '{child.name}' to '{child.parent}'"
        parent = link_index(child.parent, action)
        with kernel_errors(action):
            self._changes.record(MADE, child.name)
            [code] = self._requests.send_all([_new_child(child, parent, self._group)])
            if code == errno.EOPNOTSUPP:
                raise NotSupported(f"{action}: this kernel has no links of kind '{child.kind}'")
            check(code)
            index = link_index(child.name, action)
            self._requests.send(request.change(index, text(uapi.IFLA_IFALIAS, child.alias)))

    def add_vlan(self, name: str, parent: str, vlan_id: int) -> None:
        """``ip link add NAME link PARENT type vlan id VLAN``; the link is down.

        Raises:
            Exists: the name is taken, or another link of the parent has the VLAN.
            NotSupported: the kernel has no VLANs.
        """
        action = f"add VLAN {vlan_id} '{name}' to '{parent}'"
        index = link_index(parent, action)
        with kernel_errors(action):
            self._changes.record(MADE, name)
            [code] = self._requests.send_all([_new_vlan(name, index, vlan_id, self._group)])
            if code == errno.EOPNOTSUPP:
                raise NotSupported(f"{action}: this kernel has no VLANs (8021q)")
            check(code)

    def add_stub(self, name: str, mac: str, mtu: int) -> None:
        """``ip link add NAME address MAC mtu MTU type dummy``; the link is down.

        Where the kernel has no dummy it is of type ifb: that drops all frames that were not redirected to it, so it is
        as silent (ifb_xmit, drivers/net/ifb.c).

        Raises:
            Exists: the name is taken.
            NotSupported: the kernel has neither kind.
        """
        action = f"add '{name}', a link without a wire"
        stub = text(uapi.IFLA_IFNAME, name) + attribute(uapi.IFLA_ADDRESS, request.mac_bytes(mac))
        stub += word(uapi.IFLA_MTU, mtu) + word(uapi.IFLA_GROUP, self._group)
        with kernel_errors(action):
            self._changes.record(MADE, name)
            for kind in ("dummy", "ifb"):
                [code] = self._requests.send_all([_new_stub(stub, kind)])
                if code != errno.EOPNOTSUPP:
                    check(code)
                    return
        raise NotSupported(f"{action}: this kernel has no links of kind 'dummy' or 'ifb'")

    def link_at(self, index: int) -> Link | None:
        """Return the link with an index, None without one."""
        with kernel_errors(f"look at link {index}"):
            try:
                return parse_link(self._requests.ask(request.look_at(index)))
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                return None

    def try_child(self, name: str) -> None:
        """Set a child up and down again, as long as nobody uses it; it gets no IPv6 address by that.

        Raises:
            Exists: its MAC is the parent's, or another child's that is up in whatever namespace.
        """
        action = f"try link '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            self._changes.record(GONE, name)
            self._requests.send_all([request.without_address(index)])  # fails harmlessly on kernels without IPv6
            self._requests.send_each(
                request.change(index, flags=uapi.IFF_UP, mask=uapi.IFF_UP), request.change(index, mask=uapi.IFF_UP)
            )

    def has_kind(self, kind: str) -> bool:
        """Return whether the kernel has links of ``kind``, macvlan, ipvlan or vlan; it loads a module that it has.

        Such a link cannot be made without a parent, so nothing is made.
        """
        with kernel_errors(f"ask for links of kind '{kind}'"):
            body = request.NO_LINK + attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, kind))
            [code] = self._requests.send_all([message(uapi.RTM_NEWLINK, request.NEW, body)])
            return code != errno.EOPNOTSUPP

    def is_wireless(self, name: str) -> bool:
        """Return whether a link is a station of a wireless LAN (cfg80211 adds these entries)."""
        return any((SYS / name / entry).exists() for entry in ("phy80211", "wireless"))


def _new_child(child: ChildLink, parent: int, group: int) -> bytes:
    if child.kind == "macvlan":
        data = word(uapi.IFLA_MACVLAN_MODE, MACVLAN_MODES[child.variety])
    else:
        data = _short(uapi.IFLA_IPVLAN_MODE, IPVLAN_MODES[child.variety])
        data += _short(uapi.IFLA_IPVLAN_FLAGS, IPVLAN_FLAGS[child.flag or "bridge"])
    more = attribute(uapi.IFLA_ADDRESS, request.mac_bytes(child.mac)) if child.mac else b""
    more += word(uapi.IFLA_MTU, child.mtu) if child.mtu else b""
    return _new_link(child.name, parent, group, more + _info(child.kind, data))


def _new_vlan(name: str, parent: int, vlan_id: int, group: int) -> bytes:
    return _new_link(name, parent, group, _info("vlan", _short(uapi.IFLA_VLAN_ID, vlan_id)))


def _new_stub(stub: bytes, kind: str) -> bytes:
    return message(uapi.RTM_NEWLINK, request.NEW, request.NO_LINK + stub + _info(kind, b""))


def _new_link(name: str, parent: int, group: int, more: bytes) -> bytes:
    """RTM_NEWLINK of a link upon the link with index ``parent``, which is down."""
    body = request.NO_LINK + text(uapi.IFLA_IFNAME, name) + word(uapi.IFLA_LINK, parent)
    return message(uapi.RTM_NEWLINK, request.NEW, body + word(uapi.IFLA_GROUP, group) + more)


def _info(kind: str, data: bytes) -> bytes:
    return attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, kind) + attribute(uapi.IFLA_INFO_DATA, data))


def _short(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(2, sys.byteorder))
