"""Verbs on links and addresses, named like iproute2's, one netlink message each where the kernel allows it.

What every creation needs goes by lean requests (``netlink.request``), the rest through pyroute2, which knows more. Its
handle (``IPRoute``) is a socket and an event loop that belong to one thread. Opening one takes 1 ms, so each thread
keeps its own; one on which anything but an answer of the kernel happened is closed and not used again.
"""

import errno
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netlink import request
from netlink.dump import Link, dump_addresses, dump_links, parse_link
from netlink.errors import KernelError, Missing, kernel_errors
from netlink.hostnet import ipv6_default_routes
from netlink.own_changes import GONE, MADE, SET, OwnChanges
from netlink.port import BridgePort, port_requests

SETTINGS = Path("/proc/sys")
LARGEST_SETTING = 4096  # bytes


def doomed(group: int) -> int:
    """Return the link group of what is about to be deleted, for a pynet whose links are born in ``group``."""
    return group ^ 0x40000000


@dataclass(frozen=True, slots=True)
class VethPair:
    """Both ends of a veth pair: ``host`` stays and joins ``master``, ``peer`` goes into a container.

    ``alias`` is that of ``host``, and ``settings`` are its sysctls, which stand before it is up.
    """

    host: str
    peer: str
    peer_mac: str
    master: str
    mtu: int
    alias: str = ""
    port: BridgePort = field(default_factory=BridgePort)
    settings: Mapping[str, str] = field(default_factory=dict)


class Kernel:
    """The network namespace that this process lives in. Every verb may raise ``KernelError``.

    Links are born in link group ``group``, which tells whose they are before they have an alias. ``doings`` learns what
    is changed here, so that a monitor can tell it from what others do. ``settings`` is where the kernel's settings are
    written: /proc/sys itself is read-only in a container.
    """

    def __init__(
        self,
        group: int = 0,
        doings: OwnChanges | None = None,
        requests: request.Requests | None = None,
        settings: Path = SETTINGS,
    ) -> None:
        self._group = group
        self._doings = doings or OwnChanges()
        self._settings = settings
        self._local = threading.local()
        self._requests = requests or request.Requests()

    @contextmanager
    def _handle(self, action: str) -> Iterator[IPRoute]:
        with kernel_errors(action):
            handle = getattr(self._local, "handle", None) or IPRoute()
            self._local.handle = None
            try:
                yield handle
            except NetlinkError:
                self._local.handle = handle  # an answer, though no good one
                raise
            except BaseException:
                handle.close()
                raise
            self._local.handle = handle

    def close(self) -> None:
        """Close the handles of this thread."""
        self._requests.close()
        handle, self._local.handle = getattr(self._local, "handle", None), None
        if handle is not None:
            handle.close()

    # --- links ---------------------------------------------------------------------------------

    def links(self) -> list[Link]:
        """Return every link of the namespace."""
        with kernel_errors("list links"):
            return dump_links()

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
        """Say whether there is a link called ``name``."""
        try:
            socket.if_nametoindex(name)
        except OSError:
            return False
        return True

    def add_bridge(self, name: str, mac: str, mtu: int) -> None:
        """``ip link add NAME address MAC mtu MTU type bridge``; raises ``Exists`` when the name is taken.

        It is down, so that its settings can stand before anything happens on it. The MAC is given so that it does not
        change with the ports (bridge(4) takes the lowest of them).
        """
        with kernel_errors(f"add bridge '{name}'"):
            self._doings.note(MADE, name)
            self._requests.send(request.bridge(name, mac, mtu, self._group))

    def add_veth(self, pair: VethPair) -> None:
        """Make both ends with the host end in its bridge, which is set up last: no frame meets it half made."""
        action = f"add veth '{pair.host}' with peer '{pair.peer}' to bridge '{pair.master}'"
        master = self._index(pair.master, action)
        with kernel_errors(action):
            self._doings.note(MADE, pair.host)
            self._requests.send(request.veth(pair.host, pair.peer, pair.peer_mac, master, pair.mtu, self._group))
        for path, value in pair.settings.items():
            with suppress(Missing):  # a kernel without IPv6 has none
                self.write_setting(path, value)
        index = self._index(pair.host, action)
        with kernel_errors(action):
            self._send_all(*port_requests(index, pair.port), request.ready(index, pair.alias))

    def set_alias(self, name: str, alias: str) -> None:
        """``ip link set NAME alias ALIAS``: RTM_NEWLINK ignores the alias of a link that it creates."""
        action = f"set alias of '{name}'"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.alias(index, alias))

    def set_up(self, name: str) -> None:
        """``ip link set NAME up``."""
        action = f"set link '{name}' up"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.up(index))

    def set_down(self, name: str) -> None:
        """``ip link set NAME down``."""
        action = f"set link '{name}' down"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.down(index))

    def set_mac(self, name: str, mac: str) -> None:
        """``ip link set NAME address MAC``."""
        action = f"set MAC of '{name}' to {mac}"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.mac(index, mac))

    def set_mtu(self, name: str, mtu: int) -> None:
        """``ip link set NAME mtu MTU``; a bridge then no longer follows its ports (br_mtu_auto_adjust)."""
        action = f"set MTU of '{name}' to {mtu}"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.mtu(index, mtu))

    def set_master(self, name: str, bridge: str) -> None:
        """``ip link set NAME master BRIDGE``."""
        action = f"attach '{name}' to bridge '{bridge}'"
        index, bridge_index = self._index(name, action), self._index(bridge, action)
        with kernel_errors(action):
            self._requests.send(request.master(index, bridge_index))

    def set_port(self, name: str, port: BridgePort) -> None:
        """``bridge link set dev NAME learning …`` and ``bridge fdb replace MAC dev NAME master static``."""
        action = f"set flags of port '{name}'"
        index = self._index(name, action)
        with kernel_errors(action):
            self._send_all(*port_requests(index, port))

    def set_hairpin(self, name: str) -> None:
        """``bridge link set dev NAME hairpin on``."""
        action = f"set hairpin mode of '{name}'"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.hairpin(index))

    def delete_link(self, link: Link) -> None:
        """``ip link del NAME``, whatever has the name by now; raises ``Missing`` when the link is gone."""
        with kernel_errors(f"delete link '{link.name}'"):
            self._doings.note(GONE, link.name)
            self._requests.send(request.delete(link.index))

    def delete_links(self, links: Sequence[Link]) -> None:
        """``ip link del group DOOMED``: six links at once take the kernel 30 ms, one by one 15 to 40 ms each.

        Links that are gone already are passed over. The kernel deletes a group whole or not at all; where one cannot be
        deleted, the others are all the same, and it does not stay in the group.
        """
        names, group = [link.name for link in links], doomed(self._group)
        with kernel_errors(f"delete links {', '.join(names)}"):
            self._doings.note(GONE, *names)
            self._requests.send_all([request.group(link.index, group) for link in links])
            try:
                self._requests.send(request.delete_group(group))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                self._requests.send_all([request.group(link.index, link.group) for link in links])
                self._delete_each(links)

    def _delete_each(self, links: Sequence[Link]) -> None:
        failures = []
        for link in links:
            try:
                self.delete_link(link)
            except Missing:
                continue
            except KernelError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    # --- addresses -----------------------------------------------------------------------------

    def add_address(self, name: str, address: IPv4Interface | IPv6Interface) -> None:
        """``ip addr add ADDRESS dev NAME`` (IPv6: nodad); raises ``Exists`` when it is there already."""
        action = f"add address {address} to '{name}'"
        index = self._index(name, action)
        with kernel_errors(action):
            self._requests.send(request.address(index, address))

    def delete_address(self, name: str, address: IPv4Interface | IPv6Interface) -> None:
        """``ip addr del ADDRESS dev NAME``; raises ``Missing`` when the link or the address is gone."""
        action = f"delete address {address} of '{name}'"
        index = self._index(name, action)
        self._doings.note(GONE, name)
        with self._handle(action) as ipr:
            ipr.addr("del", index=index, address=str(address.ip), prefixlen=address.network.prefixlen)

    def addresses(self, *, link_local: bool = False) -> list[tuple[str, IPv4Interface | IPv6Interface]]:
        """Return (link, address) of every address, link-local ones only when asked for."""
        with kernel_errors("list addresses"):
            names = dict(socket.if_nameindex())
            found = [(names.get(index, ""), address) for index, address in dump_addresses()]
        return [(name, address) for name, address in found if name and (link_local or not address.is_link_local)]

    def addresses_of(self, name: str) -> list[IPv4Interface | IPv6Interface]:
        """Return the addresses of one link, link-local ones too; raises ``Missing`` without the link."""
        action = f"list addresses of '{name}'"
        index = self._index(name, action)
        with kernel_errors(action):
            return [address for _, address in dump_addresses(index)]

    def ipv6_default_routes(self) -> list[tuple[str, bool]]:
        """Return (link, whether a router advertised it) of each IPv6 default route."""
        return ipv6_default_routes()

    # --- settings ------------------------------------------------------------------------------

    def read_setting(self, path: str) -> str:
        """Return the value of a sysctl, ``path`` as below /proc/sys ("net/ipv4/ip_forward")."""
        with kernel_errors(f"read setting '{path}'"), _opened(f"{self._settings}/{path}", os.O_RDONLY) as descriptor:
            return os.read(descriptor, LARGEST_SETTING).decode().strip()

    def write_setting(self, path: str, value: str) -> None:
        """Set a sysctl of this network namespace."""
        self._doings.note(SET, path)
        with kernel_errors(f"set '{path}' to {value}"), _opened(f"{self._settings}/{path}", os.O_WRONLY) as descriptor:
            os.write(descriptor, value.encode())

    def _send_all(self, *requests: bytes) -> None:
        """Send requests in one datagram; raises ``OSError`` for the first that the kernel refused."""
        for number in filter(None, self._requests.send_all(requests)):
            raise OSError(number, os.strerror(number))

    def finish_link(self, name: str, alias: str, settings: Mapping[str, str]) -> None:
        """Give a new link its alias and its sysctls, by their paths, and set it up.

        Those of IPv6 stand before it is up, and are passed over where the link has no IPv6. Those of IPv4 go with the
        alias in the message that sets it up: nothing comes in before, as the link has no address.
        """
        action = f"finish link '{name}'"
        index = self._index(name, action)
        start = f"net/ipv4/conf/{name}/"
        for path, value in settings.items():
            if not path.startswith(start):
                with suppress(Missing):
                    self.write_setting(path, value)
        ipv4 = {path.removeprefix(start): value for path, value in settings.items() if path.startswith(start)}
        with kernel_errors(action):
            self._requests.send(request.finished(index, alias, ipv4))

    @staticmethod
    def _index(name: str, action: str) -> int:
        try:
            return socket.if_nametoindex(name)
        except OSError as error:
            raise Missing(f"{action}: there is no link '{name}'") from error


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    """Open a setting; pathlib takes 40 to 110 µs for what the kernel does in 12, three times a network."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
