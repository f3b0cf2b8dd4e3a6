"""Links: reading them, and verbs named like iproute2's, one netlink message each where the kernel allows it."""

import errno
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

from netlink import request, uapi
from netlink.bridge_port import BridgePort, port_requests
from netlink.dump import dump
from netlink.errors import KernelError, Missing, kernel_errors
from netlink.gso import gso_of, gso_sizes
from netlink.own_changes import GONE, MADE, OwnChanges
from netlink.request import Requests, link_index
from netlink.sysctl import Sysctls
from netlink.values import dataclass
from netlink.veth import VethPair, new_pair
from netlink.wire import Chooser, attribute, attributes, check, chosen, message, number, text, word

T = TypeVar("T")
_READ = frozenset(  # of some forty attributes of a link
    {
        uapi.IFLA_IFNAME,
        uapi.IFLA_LINKINFO,
        uapi.IFLA_ADDRESS,
        uapi.IFLA_MTU,
        uapi.IFLA_QDISC,
        uapi.IFLA_LINK,
        uapi.IFLA_MASTER,
        uapi.IFLA_IFALIAS,
        uapi.IFLA_OPERSTATE,
        uapi.IFLA_GROUP,
        uapi.IFLA_GSO_MAX_SIZE,
        uapi.IFLA_GSO_IPV4_MAX_SIZE,
        uapi.IFLA_TSO_MAX_SIZE,
        uapi.IFLA_AF_SPEC,
    }
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link as the kernel lists it; ``kind`` is "" for hardware, ``master`` 0 without a bridge.

    ``below`` is the index of the link of which it is a child or a VLAN, and of the other end of a pair.

    ``running`` is set when the kernel has noticed the carrier, as a bridge has one from a port that runs: IPv6 has
    begun on the link. IFF_RUNNING alone is also set for the first moments of a link without a carrier. ``gso`` is the
    largest packet in bytes that the link is handed in one piece (``netlink.gso``), 0 from kernels that do not tell, and
    ``gso_limit`` the largest that it can be given. ``port`` has its flags as a port of a bridge
    (``netlink.bridge_port.is_like``), ``settings`` its sysctls (``netlink.devconf.read_settings``), and ``limited``
    says whether somebody gave it a token bucket (``netlink.limits``).
    """

    index: int
    name: str
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    master: int = 0
    alias: str = ""
    up: bool = False
    group: int = 0
    running: bool = False
    gso: int = 0
    gso_limit: int = 0
    port: bytes = b""
    settings: bytes = field(default=b"", compare=False, repr=False)
    limited: bool = field(default=False, compare=False)
    below: int = field(default=0, compare=False)


def _each(verb: Callable[[T], None], things: Iterable[T]) -> None:
    """Call ``verb`` with each thing, and raise the first error after the last; a link that is gone is none."""
    failures = []
    for thing in things:
        try:
            verb(thing)
        except Missing:
            continue
        except KernelError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def doomed(group: int) -> int:
    """Return the link group of links that are about to be deleted, for a pynet whose links are born in ``group``."""
    return group ^ 0x40000000


def ruled(group: int) -> int:
    """Return the link group of ports of containers with a policy, for a pynet whose links are born in ``group``."""
    return group ^ 0x20000000


def group_of(group: int, port: BridgePort) -> int:
    """Return the link group of a port, for a pynet whose links are born in ``group``."""
    return ruled(group) if port.ruled else group


def _chosen_of(body: bytes) -> dict[int, bytes]:
    return chosen(body, _READ, uapi.IFINFOMSG.size)


def parse_link(body: bytes, read: Callable[[bytes], dict[int, bytes]] = _chosen_of) -> Link:
    """Read the body of an RTM_NEWLINK message, its attributes with ``read``."""
    _, _, index, flags, _ = uapi.IFINFOMSG.unpack_from(body)
    found = read(body)
    info = dict(attributes(found.get(uapi.IFLA_LINKINFO, b"")))
    up = bool(flags & uapi.IFF_UP)
    return Link(
        index=index,
        name=_text(found.get(uapi.IFLA_IFNAME)),
        kind=_text(info.get(uapi.IFLA_INFO_KIND)),
        mac=found.get(uapi.IFLA_ADDRESS, b"").hex(":"),
        mtu=number(found.get(uapi.IFLA_MTU, b"")),
        master=number(found.get(uapi.IFLA_MASTER, b"")),
        alias=_text(found.get(uapi.IFLA_IFALIAS)),
        up=up,
        running=up and found.get(uapi.IFLA_OPERSTATE) == bytes([uapi.IF_OPER_UP]),
        group=number(found.get(uapi.IFLA_GROUP, b"")),
        gso=gso_of(found),
        gso_limit=number(found.get(uapi.IFLA_TSO_MAX_SIZE, b"")),
        port=info.get(uapi.IFLA_INFO_SLAVE_DATA, b""),
        settings=found.get(uapi.IFLA_AF_SPEC, b""),
        limited=found.get(uapi.IFLA_QDISC) == b"tbf\0",
        below=number(found.get(uapi.IFLA_LINK, b"")),
    )


def read_links(bodies: Iterable[bytes]) -> list[Link]:
    """Read RTM_NEWLINK bodies, the newest last: a link that was removed meanwhile gives its name to the next one."""
    read = Chooser(_READ, uapi.IFINFOMSG.size).read
    return list({link.name: link for link in (parse_link(body, read) for body in bodies)}.values())


def dump_link_bodies(condition: bytes = b"") -> list[bytes]:
    """Return the RTM_NEWLINK body of every link, without statistics; raises OSError when the kernel refuses.

    ``condition`` is an attribute that links must have: IFLA_MASTER, or the kind (rtnl_dump_ifinfo).
    """
    asked = request.NO_LINK + word(uapi.IFLA_EXT_MASK, uapi.RTEXT_FILTER_SKIP_STATS) + condition
    newest: dict[int, bytes] = {}
    for body in dump(uapi.RTM_GETLINK, asked):
        index = uapi.IFINFOMSG.unpack_from(body)[2]
        newest.pop(index, None)
        newest[index] = body
    return list(newest.values())


def _kind(name: str) -> bytes:
    return attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, name))


def _bridge(name: str, mac: str, mtu: int, group: int) -> bytes:
    """RTM_NEWLINK of a bridge that is down; MTU in bytes."""
    body = request.NO_LINK + text(uapi.IFLA_IFNAME, name) + attribute(uapi.IFLA_ADDRESS, request.mac_bytes(mac))
    body += word(uapi.IFLA_MTU, mtu) + word(uapi.IFLA_GROUP, group)
    return message(uapi.RTM_NEWLINK, request.NEW, body + _kind("bridge"))


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")


class Links:
    """Verbs on links, which may raise ``KernelError``.

    Links are born in link group ``group``, which tells who made them before they have an alias.
    """

    def __init__(self, requests: Requests, changes: OwnChanges, settings: Sysctls, group: int) -> None:
        self._requests = requests
        self._changes = changes
        self._settings = settings
        self._group = group

    def links(self, *, kind: str = "", master: int = 0) -> list[Link]:
        """Return every link of the namespace, or those of a kind, or those with a master, by its index.

        The kernel passes over the others. CPU seconds with 300 bridges and 3,000 ends of pairs: 0.08 for all links,
        0.008 for the bridges.
        """
        condition = _kind(kind) if kind else word(uapi.IFLA_MASTER, master) if master else b""
        with kernel_errors("list links"):
            return read_links(dump_link_bodies(condition))

    def link(self, name: str) -> Link | None:
        """Return the link called ``name``, None without one."""
        with kernel_errors(f"look at link '{name}'"):
            try:
                return parse_link(self._requests.ask(request.look(name)))
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                return None

    def link_exists(self, name: str) -> bool:
        """Return whether there is a link called ``name``."""
        try:
            socket.if_nametoindex(name)
        except OSError:
            return False
        return True

    def add_bridge(self, name: str, mac: str, mtu: int) -> None:
        """``ip link add NAME address MAC mtu MTU type bridge``; raises ``Exists`` when the name is taken.

        The bridge is down, so that it gets its settings before anything happens on it. The MAC is given because that of
        a bridge changes with its ports otherwise (bridge(4) takes the lowest of them).
        """
        with kernel_errors(f"add bridge '{name}'"):
            self._changes.record(MADE, name)
            self._requests.send(_bridge(name, mac, mtu, self._group))

    def add_veth(self, pair: VethPair) -> None:
        """Make both ends with the host end in its bridge, which is set up last: no frame meets it half made."""
        action = f"add veth '{pair.host}' with peer '{pair.peer}' to bridge '{pair.master}'"
        master, bridge = link_index(pair.master, action), None if pair.mtu else self.link(pair.master)
        mtu = bridge.mtu if bridge else pair.mtu
        with kernel_errors(action):
            self._changes.record(MADE, pair.host)
            self._requests.send(new_pair(pair, master, mtu, group_of(self._group, pair.port)))
        self._settings.write_settings(pair.settings)
        index = link_index(pair.host, action)
        wanted = [*port_requests(index, pair.port), request.finished(index, pair.alias, {})]
        sizes = [request.change(master, gso_sizes(pair.master_gso))] if pair.master_gso else []
        with kernel_errors(action):
            # A bridge can have the size as long as all its ports can, and works without it.
            for code in self._requests.send_all([*wanted, *sizes])[: len(wanted)]:
                check(code)

    def finish_link(self, name: str, alias: str, settings: Mapping[str, str]) -> None:
        """Give a new link its alias and its sysctls, by their paths, and set it up.

        IPv6 sysctls are set before the link is up, and passed over where the link has no IPv6. IPv4 sysctls go with the
        alias in the message that sets it up: nothing comes in before, as the link has no address.
        """
        action = f"finish link '{name}'"
        index = link_index(name, action)
        start = f"net/ipv4/conf/{name}/"
        ipv4 = {path.removeprefix(start): value for path, value in settings.items() if path.startswith(start)}
        self._settings.write_settings({path: value for path, value in settings.items() if not path.startswith(start)})
        with kernel_errors(action):
            self._requests.send(request.finished(index, alias, ipv4))

    def set_alias(self, name: str, alias: str) -> None:
        """``ip link set NAME alias ALIAS``: RTM_NEWLINK ignores the alias of a link that it creates."""
        self._repair(name, f"set alias of '{name}'", ifalias=alias)

    def set_up(self, name: str) -> None:
        """``ip link set NAME up``."""
        self._change(name, f"set link '{name}' up", flags=uapi.IFF_UP)

    def set_down(self, name: str) -> None:
        """``ip link set NAME down``."""
        self._change(name, f"set link '{name}' down", flags=0)

    def set_mac(self, name: str, mac: str) -> None:
        """``ip link set NAME address MAC``."""
        self._change(name, f"set MAC of '{name}' to {mac}", attribute(uapi.IFLA_ADDRESS, request.mac_bytes(mac)))

    def set_mtu(self, name: str, mtu: int) -> None:
        """``ip link set NAME mtu MTU``; a bridge then no longer follows its ports (br_mtu_auto_adjust)."""
        self._repair(name, f"set MTU of '{name}' to {mtu}", mtu=mtu)

    def set_master(self, name: str, bridge: str) -> None:
        """``ip link set NAME master BRIDGE``."""
        action = f"attach '{name}' to bridge '{bridge}'"
        self._repair(name, action, master=link_index(bridge, action))

    def set_port(self, name: str, port: BridgePort, gone: Collection[str] = ()) -> None:
        """``bridge link set dev NAME learning …`` and ``bridge fdb replace MAC dev NAME master static``.

        MACs in ``gone`` are behind it no more (``bridge fdb del``); the kernel may have forgotten them already.
        """
        action = f"set flags of port '{name}'"
        index = link_index(name, action)
        group = request.change(index, word(uapi.IFLA_GROUP, group_of(self._group, port)))
        with kernel_errors(action):
            self._requests.send_each(group, *port_requests(index, port))
            for code in self._requests.send_all([request.unforward(index, mac) for mac in gone]):
                check(0 if code == errno.ENOENT else code)

    def set_hairpin(self, name: str) -> None:
        """``bridge link set dev NAME hairpin on``: the bridge sends frames back out of the port they came in by."""
        action = f"set hairpin mode of '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            self._requests.send(request.port(index, attribute(uapi.IFLA_BRPORT_MODE, b"\1")))

    def delete_link(self, link: Link) -> None:
        """``ip link del NAME``, by the index of the link; raises ``Missing`` when the link is gone."""
        with kernel_errors(f"delete link '{link.name}'"):
            self._changes.record(GONE, link.name)
            self._requests.send(request.delete(link.index))

    def delete_links(self, links: Sequence[Link]) -> None:
        """Delete links together, as six at once take the kernel 30 ms and one by one 15 to 40 ms each; bridges alone.

        For each bridge the kernel waits 15 to 25 ms with its lock of all links held (``rcu_barrier`` in
        br_multicast_dev_del, net/bridge/br_multicast.c), so between two of them others have their turn. Links that are
        gone already are passed over.
        """
        bridges = [[link] for link in links if link.kind == "bridge"]
        others = [link for link in links if link.kind != "bridge"]
        _each(self._delete_group, [others, *bridges] if others else bridges)

    def _delete_group(self, links: Sequence[Link]) -> None:
        """``ip link del group DOOMED``.

        The kernel deletes a group whole or not at all; where one link cannot be deleted, the others are deleted one by
        one, and that one leaves the group again.
        """
        names, group = [link.name for link in links], doomed(self._group)
        with kernel_errors(f"delete links {', '.join(names)}"):
            self._changes.record(GONE, *names)
            self._requests.send_all([request.change(link.index, word(uapi.IFLA_GROUP, group)) for link in links])
            try:
                self._requests.send(request.delete_group(group))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                back = [request.change(link.index, word(uapi.IFLA_GROUP, link.group)) for link in links]
                self._requests.send_all(back)
                _each(self.delete_link, links)

    def _repair(self, name: str, action: str, **values: object) -> None:
        """Set attributes of a link that nothing but a repair sets: pyroute2 is fast enough for that."""
        index = link_index(name, action)
        with kernel_errors(action), iproute() as handle:
            handle.link("set", index=index, **values)

    def _change(self, name: str, action: str, body: bytes = b"", *, flags: int | None = None) -> None:
        """Set attributes of a link or, with ``flags``, whether it is up."""
        index = link_index(name, action)
        with kernel_errors(action):
            mask = 0 if flags is None else uapi.IFF_UP
            self._requests.send(request.change(index, body, flags=flags or 0, mask=mask))


if TYPE_CHECKING:
    from pyroute2 import IPRoute


@contextmanager
def iproute() -> Iterator["IPRoute"]:
    """Open a handle, which belongs to this thread; raises OSError when the kernel refuses something in the block.

    pyroute2 is for verbs that are not on a hot path, and is loaded when the first of them runs: that takes 110 ms and
    22 MB, and its handle 1 ms to open (two cores, Python 3.11).
    """
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as handle:
        try:
            yield handle
        except NetlinkError as error:
            check(int(error.code))
