"""VXLAN links and the tables that lead into them: forwarding entries and neighbours, many in one message.

Three tables are needed for a container on another host: the link's (MAC to host, ``bridge fdb ... self``), the bridge's
(MAC to link, ``bridge fdb ... master``), and the bridge's neighbours (address to MAC), from which it answers ARP and
neighbour discovery.

pyroute2 writes one entry a message and waits for each: 1,000 entries take 430 ms, of which the process computes 240;
packed by 64 they take 11 to 51 ms, 7 of computing (two busy cores, four runs).
"""

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address

from netlink import request, uapi
from netlink.bridge_port import port_flags
from netlink.dump import dump
from netlink.errors import KernelError, Missing, kernel_error, kernel_errors
from netlink.ip import FAMILIES, FAMILY, Address
from netlink.links import dump_link_bodies
from netlink.request import link_index, mac_bytes
from netlink.values import dataclass
from netlink.wire import attribute, attributes, chosen, message, text, word

EVERYBODY = "00:00:00:00:00:00"  # the link's entries for broadcast, multicast and MACs without an entry


@dataclass(frozen=True, slots=True)
class VxlanLink:
    """A VXLAN link that is a port of the bridge ``master``; ``port`` is the UDP port, ``local`` this host's address."""

    name: str
    vni: int
    port: int
    local: Address
    master: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Remote:
    """``bridge fdb add MAC dev LINK self dst HOST``; the MAC ``EVERYBODY`` has one entry for each host."""

    mac: str
    host: Address

    def __str__(self) -> str:
        return f"{self.mac} on host {self.host}"


@dataclass(frozen=True, slots=True)
class Forward:
    """``bridge fdb add MAC dev LINK master static``."""

    mac: str

    def __str__(self) -> str:
        return f"{self.mac} in the bridge"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """``ip neigh add ADDRESS lladdr MAC dev BRIDGE nud permanent``."""

    address: Address
    mac: str

    def __str__(self) -> str:
        return f"{self.address} at {self.mac}"


@dataclass(frozen=True, slots=True)
class Gateway:
    """``bridge fdb replace MAC dev LINK master permanent``: the bridge's own MAC, as if its link to other hosts had it.

    The bridge answers for a neighbour only if the port behind the neighbour's MAC suppresses questions
    (br_do_proxy_suppress_arp, net/bridge/br_arp_nd_proxy.c). So it answers with its own MAC for neighbours that have
    it, and takes their frames, which the host then routes. The entry goes back to the bridge with the link.
    """

    mac: str

    def __str__(self) -> str:
        return f"{self.mac} as the bridge's own"


Entry = Remote | Forward | Neighbour | Gateway


class Vxlan:
    """The network namespace that this process lives in. Every verb may raise ``KernelError``.

    Links are born in link group ``group``, as other links are (``netlink.links``).
    """

    def __init__(self, group: int = 0) -> None:
        self._group = group
        self._requests = request.Requests()

    def close(self) -> None:
        """Close the socket of this thread."""
        self._requests.close()

    def add_vxlan(self, link: VxlanLink) -> None:
        """``ip link add NAME type vxlan … nolearning``, a port of its bridge that neither learns nor floods unicast.

        The link is down, so that no frame meets it half made.

        Raises:
            Exists: the name is taken, or another link of this host has the VNI.
            NotSupported: the kernel has no VXLAN.
        """
        action = f"add vxlan '{link.name}' with VNI {link.vni} to bridge '{link.master}'"
        master = link_index(link.master, action)
        with kernel_errors(action):
            self._requests.send(_new_link(link, master, self._group))
            index = socket.if_nametoindex(link.name)
            self._requests.send(_quiet_port(index))
            # The kernel would announce the address to all hosts; this fails harmlessly on kernels without IPv6.
            self._requests.send_all([request.without_address(index)])

    def change(
        self, bridge: str, link: str, add: Collection[Entry], delete: Collection[Entry] = ()
    ) -> Mapping[Entry, KernelError]:
        """Add, or replace, and delete entries of a VXLAN link and its bridge; entries that are gone are passed over.

        Returns the entries that the kernel refused, and why; all others are written.

        Raises:
            Missing: a link is not there.
        """
        action = f"write forwarding entries of '{link}'"
        indexes = link_index(bridge, action), link_index(link, action)
        taken = {_slot(entry) for entry in add}
        going = [entry for entry in delete if _slot(entry) not in taken]
        entries = [*going, *add]
        requests = [_neighbour(uapi.RTM_DELNEIGH, entry, *indexes) for entry in going]
        requests += [_neighbour(uapi.RTM_NEWNEIGH, entry, *indexes) for entry in add]
        with kernel_errors(action):
            numbers = self._requests.send_all(requests)
        refused: dict[Entry, KernelError] = {}
        for position, (entry, number) in enumerate(zip(entries, numbers, strict=True)):
            error = kernel_error(f"{action}: {entry}", number) if number else None
            if isinstance(error, Missing) and position >= len(going):
                raise error
            if error and not isinstance(error, Missing):
                refused[entry] = error
        return refused

    def source(self, link: str) -> Address | None:
        """Return the address from which a VXLAN link sends; None without such a link."""
        with kernel_errors(f"look at '{link}'"):
            bodies = dump_link_bodies()
        return next((found for body in reversed(bodies) if (found := _source_of(body, link))), None)

    def entries(self, bridge: str, link: str) -> set[Entry]:
        """Return the link's entries, the bridge's static ones for the link, and the bridge's permanent neighbours."""
        action = f"list forwarding entries of '{link}'"
        indexes = link_index(bridge, action), link_index(link, action)
        with kernel_errors(action):
            # A request of the length of struct ifinfomsg names a port (valid_fdb_dump_legacy, net/core/rtnetlink.c).
            asked = uapi.IFINFOMSG.pack(uapi.AF_BRIDGE, 0, indexes[1], 0, 0)
            own = chosen(self._requests.ask(request.look_at(indexes[0])), {uapi.IFLA_ADDRESS}, uapi.IFINFOMSG.size)
            found = set(_read_forwarding(dump(uapi.RTM_GETNEIGH, asked), indexes[1], own.get(uapi.IFLA_ADDRESS, b"")))
            asked = uapi.NDMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + word(uapi.NDA_IFINDEX, indexes[0])
            found |= set(_read_neighbours(dump(uapi.RTM_GETNEIGH, asked), indexes[0]))
        return found


def _new_link(link: VxlanLink, master: int, group: int) -> bytes:
    local = uapi.IFLA_VXLAN_LOCAL if link.local.version == 4 else uapi.IFLA_VXLAN_LOCAL6
    data = word(uapi.IFLA_VXLAN_ID, link.vni) + attribute(local, link.local.packed)
    data += attribute(uapi.IFLA_VXLAN_LEARNING, b"\0") + attribute(uapi.IFLA_VXLAN_PORT, link.port.to_bytes(2, "big"))
    info = attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, "vxlan") + attribute(uapi.IFLA_INFO_DATA, data))
    body = request.NO_LINK + text(uapi.IFLA_IFNAME, link.name) + word(uapi.IFLA_MTU, link.mtu)
    body += word(uapi.IFLA_GROUP, group) + word(uapi.IFLA_MASTER, master)
    return message(uapi.RTM_NEWLINK, request.NEW, body + info)


def _quiet_port(index: int) -> bytes:
    """RTM_SETLINK of a port that learns nothing, and gets no unknown unicast nor questions that the bridge answers."""
    quiet = attribute(uapi.IFLA_BRPORT_UNICAST_FLOOD, b"\0") + attribute(uapi.IFLA_BRPORT_NEIGH_SUPPRESS, b"\1")
    return request.port(index, port_flags(learning=False) + quiet)


def _neighbour(verb: int, entry: Entry, bridge: int, link: int) -> bytes:
    flags, put = uapi.NLM_F_ACK, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE
    if isinstance(entry, Neighbour):
        family = FAMILY[entry.address.version]
        body = uapi.NDMSG.pack(family, bridge, uapi.NUD_PERMANENT, 0, 0) + attribute(uapi.NDA_DST, entry.address.packed)
    elif isinstance(entry, Gateway):
        verb, behind = uapi.RTM_NEWNEIGH, bridge if verb == uapi.RTM_DELNEIGH else link
        flag = uapi.NTF_SELF if behind == bridge else uapi.NTF_MASTER
        body = uapi.NDMSG.pack(uapi.AF_BRIDGE, behind, uapi.NUD_PERMANENT, flag, 0)
    elif isinstance(entry, Remote):
        body = uapi.NDMSG.pack(uapi.AF_BRIDGE, link, uapi.NUD_NOARP | uapi.NUD_REACHABLE, uapi.NTF_SELF, 0)
        body += attribute(uapi.NDA_DST, entry.host.packed)
        put = uapi.NLM_F_CREATE | (uapi.NLM_F_APPEND if entry.mac == EVERYBODY else uapi.NLM_F_REPLACE)
    else:
        body = uapi.NDMSG.pack(uapi.AF_BRIDGE, link, uapi.NUD_NOARP | uapi.NUD_REACHABLE, uapi.NTF_MASTER, 0)
    flags |= put if verb == uapi.RTM_NEWNEIGH else 0
    return message(verb, flags, body + attribute(uapi.NDA_LLADDR, mac_bytes(entry.mac)))


def _slot(entry: Entry) -> object:
    """Return the key of an entry: of two entries with one key the second takes the place of the first."""
    if isinstance(entry, Neighbour):
        return entry.address
    if isinstance(entry, Remote) and entry.mac != EVERYBODY:
        return Remote, entry.mac
    return entry


def _source_of(body: bytes, link: str) -> Address | None:
    found = dict(attributes(body[uapi.IFINFOMSG.size :]))
    if found.get(uapi.IFLA_IFNAME, b"").rstrip(b"\0") != link.encode():
        return None
    data = dict(attributes(dict(attributes(found.get(uapi.IFLA_LINKINFO, b""))).get(uapi.IFLA_INFO_DATA, b"")))
    packed = data.get(uapi.IFLA_VXLAN_LOCAL) or data.get(uapi.IFLA_VXLAN_LOCAL6)
    return ip_address(packed) if packed else None


def _read_forwarding(bodies: Iterable[bytes], link: int, own: bytes) -> Iterator[Entry]:
    for body in bodies:
        family, index, state, _, _ = uapi.NDMSG.unpack_from(body)
        found = dict(attributes(body[uapi.NDMSG.size :]))
        if family != uapi.AF_BRIDGE or index != link or uapi.NDA_LLADDR not in found:
            continue
        mac = found[uapi.NDA_LLADDR].hex(":")
        if uapi.NDA_MASTER in found:
            if state & uapi.NUD_NOARP and not state & uapi.NUD_PERMANENT:  # permanent is the link's own MAC
                yield Forward(mac)
            elif found[uapi.NDA_LLADDR] == own:
                yield Gateway(mac)
        elif uapi.NDA_DST in found:
            yield Remote(mac, ip_address(found[uapi.NDA_DST]))


def _read_neighbours(bodies: Iterable[bytes], bridge: int) -> Iterator[Entry]:
    for body in bodies:
        family, index, state, _, _ = uapi.NDMSG.unpack_from(body)
        found = dict(attributes(body[uapi.NDMSG.size :]))
        if (
            family in FAMILIES
            and index == bridge
            and state & uapi.NUD_PERMANENT
            and len(found.get(uapi.NDA_LLADDR, b"")) == 6
        ):
            yield Neighbour(ip_address(found[uapi.NDA_DST]), found[uapi.NDA_LLADDR].hex(":"))
