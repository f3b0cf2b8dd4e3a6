"""Addresses of links: reading them, and verbs named like iproute2's."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface

from netlink import request, uapi
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.ip import FAMILIES, InterfaceAddress
from netlink.own_changes import GONE, OwnChanges
from netlink.request import Requests, link_index, link_name
from netlink.routes import ipv6_default_routes, uplinks
from netlink.wire import attributes


def dump_addresses(link: int = 0) -> list[tuple[int, InterfaceAddress]]:
    """Return (index of the link, address) of every IP address; raises OSError when the kernel refuses.

    With the index of a ``link`` the kernel looks at that one alone, from Linux 4.20 on; older ones list all.
    """
    asked = uapi.IFADDRMSG.pack(0, 0, 0, 0, link)
    found = dict.fromkeys(read_addresses(dump(uapi.RTM_GETADDR, asked, strict=link > 0)))
    return [(index, address) for index, address in found if link in (0, index)]


def read_addresses(bodies: Iterable[bytes]) -> Iterator[tuple[int, InterfaceAddress]]:
    """Read bodies of RTM_NEWADDR; other families (MCTP, Phonet) are listed too, and passed over."""
    return (parse_address(body) for body in bodies if body[0] in FAMILIES)


def parse_address(body: bytes) -> tuple[int, InterfaceAddress]:
    """Read the body of an RTM_NEWADDR or RTM_DELADDR message; of a point-to-point link the address is the own one."""
    _, length, _, _, index = uapi.IFADDRMSG.unpack_from(body)
    found = dict(attributes(body[uapi.IFADDRMSG.size :]))
    return index, ip_interface((ip_address(found.get(uapi.IFA_LOCAL) or found[uapi.IFA_ADDRESS]), length))


class Addresses:
    """Verbs on addresses, which may raise ``KernelError``."""

    def __init__(self, requests: Requests, changes: OwnChanges) -> None:
        self._requests = requests
        self._changes = changes

    def add_address(self, name: str, address: InterfaceAddress) -> None:
        """``ip addr add ADDRESS dev NAME`` (IPv6: nodad); raises ``Exists`` when the link has it already."""
        action = f"add address {address} to '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            self._requests.send(request.add_address(index, address))

    def delete_address(self, name: str, address: InterfaceAddress) -> None:
        """``ip addr del ADDRESS dev NAME``; raises ``Missing`` when the link or the address is gone."""
        action = f"delete address {address} of '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            self._changes.record(GONE, name)
            self._requests.send(request.delete_address(index, address))

    def addresses(self, *, link_local: bool = False) -> list[tuple[str, InterfaceAddress]]:
        """Return (link, address) of every address, link-local ones only when asked for."""
        with kernel_errors("list addresses"):
            dumped = dump_addresses()
            names = {index: link_name(index) for index in {index for index, _ in dumped}}
            found = [(names[index], address) for index, address in dumped]
        return [(name, address) for name, address in found if name and (link_local or not address.is_link_local)]

    def addresses_of(self, name: str) -> list[InterfaceAddress]:
        """Return the addresses of one link, link-local ones too; raises ``Missing`` without the link."""
        action = f"list addresses of '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            return [address for _, address in dump_addresses(index)]

    def ipv6_default_routes(self) -> list[tuple[str, bool]]:
        """Return (link, whether a router advertised it) of each IPv6 default route."""
        return ipv6_default_routes()

    def uplinks(self) -> set[str]:
        """Return the links by which the host reaches the internet."""
        return uplinks()
