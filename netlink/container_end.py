"""Changes the end of a veth pair that is in a container: only a process in its network namespace can do that.

A message to the host's end cannot: veth has no rtnl_link_ops.changelink, and RTM_SETLINK with the attributes of another
namespace moves the link there (do_setlink, net/core/rtnetlink.c).
"""

import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from ipaddress import IPv4Network

from netlink import request, uapi
from netlink.addresses import dump_addresses
from netlink.errors import Missing, kernel_errors
from netlink.gso import gso_sizes
from netlink.ip import Address, InterfaceAddress, Subnet
from netlink.links import dump_link_bodies, read_links
from netlink.namespace import namespace_of
from netlink.request import Requests
from netlink.wire import attribute, message, word

DEFAULT = IPv4Network("0.0.0.0/0")


def change_container_address(
    process: int,
    mac: str,
    address: InterfaceAddress,
    gateway: Address | None,
    routes: Sequence[tuple[Subnet, Address | None]],
) -> None:
    """Give the link with ``mac`` beside ``process`` an IPv4 address instead of all that it has, and its routes.

    A route without a next hop leads to the link itself. Routes of the link that are not named go with its old address.

    Raises:
        KernelError: ``Missing`` without the process or the link, ``Denied`` without CAP_SYS_ADMIN.
    """
    action = f"give the link of process {process} that has MAC {mac} address {address}"
    with namespace_of(process), kernel_errors(action):
        index = _index_of(mac, action)
        old = [own for _, own in dump_addresses(index) if own.version == 4 and own != address]
        wanted = [*routes, *([(DEFAULT, gateway)] if gateway else [])]
        with closing(Requests()) as requests:
            for own in old:
                requests.send(request.delete_address(index, own))
            with suppress(FileExistsError):
                requests.send(request.add_address(index, address))
            requests.send_each(*(_route(index, to, hop) for to, hop in wanted))


def _route(link: int, to: Subnet, hop: Address | None) -> bytes:
    """RTM_NEWROUTE of a route by a link, in the place of one to the same destination."""
    scope = uapi.RT_SCOPE_UNIVERSE if hop else uapi.RT_SCOPE_LINK
    kind, table = uapi.RTN_UNICAST, uapi.RT_TABLE_MAIN
    head = uapi.RTMSG.pack(socket.AF_INET, to.prefixlen, 0, 0, table, uapi.RTPROT_BOOT, scope, kind, 0)
    body = head + attribute(uapi.RTA_DST, to.network_address.packed) + word(uapi.RTA_OIF, link)
    body += attribute(uapi.RTA_GATEWAY, hop.packed) if hop else b""
    return message(uapi.RTM_NEWROUTE, uapi.NLM_F_ACK | uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE, body)


def change_container_end(process: int, mac: str, *, mtu: int, gso: int) -> None:
    """Give the link with ``mac`` beside ``process`` another MTU and largest packet, in bytes; 0 leaves one as it is.

    Raises:
        KernelError: ``Missing`` without the process or the link, ``Denied`` without CAP_SYS_ADMIN.
    """
    action = f"change the link of process {process} that has MAC {mac}"
    with namespace_of(process), kernel_errors(action):
        index = _index_of(mac, action)
        sizes = (word(uapi.IFLA_MTU, mtu) if mtu else b"") + gso_sizes(gso)
        with closing(Requests()) as requests:
            requests.send(request.change(index, sizes))


def _index_of(mac: str, action: str) -> int:
    """Return the index of the link with ``mac`` in this thread's namespace; raises ``Missing`` without one."""
    links = [link for link in read_links(dump_link_bodies()) if link.mac == mac]
    if not links:
        raise Missing(f"{action}: there is none")
    return links[0].index
