"""Addresses of links that were moved into other network namespaces, read without entering these.

The kernel gives a namespace a number when a link goes there, or has its other end there, and lists its links and
addresses to a process with CAP_NET_ADMIN (rtnl_get_net_ns_capable, net/core/rtnetlink.c; Linux 4.20).
"""

import socket
import sys
from collections.abc import Collection

from netlink import request, uapi
from netlink.addresses import read_addresses
from netlink.dump import dump
from netlink.errors import kernel_errors
from netlink.ip import InterfaceAddress
from netlink.links import read_links
from netlink.wire import attributes, word

Far = tuple[str, tuple[InterfaceAddress, ...]]  # MAC and addresses of a link


def far_addresses(macs: Collection[str]) -> list[Far]:
    """Return MAC and addresses of each link with one of ``macs`` in the namespaces that this one knows.

    Addresses that are being checked for a second owner (tentative) are listed as well, those of the link alone
    (fe80::/10) are not. A namespace that ended meanwhile is passed over.

    Raises:
        KernelError: the namespaces cannot be listed.
    """
    with kernel_errors("list network namespaces"):
        numbers = _namespaces()
    return [far for number in numbers for far in _links_there(number, macs)]


def _namespaces() -> list[int]:
    bodies = dump(uapi.RTM_GETNSID, uapi.RTGENMSG.pack(socket.AF_UNSPEC))
    found = [dict(attributes(body[uapi.RTGENMSG.size :])).get(uapi.NETNSA_NSID, b"") for body in bodies]
    return [int.from_bytes(number, sys.byteorder) for number in found if len(number) == 4]


def _links_there(namespace: int, macs: Collection[str]) -> list[Far]:
    try:
        there = word(uapi.IFLA_TARGET_NETNSID, namespace) + word(uapi.IFLA_EXT_MASK, uapi.RTEXT_FILTER_SKIP_STATS)
        links = {link.index: link.mac for link in read_links(dump(uapi.RTM_GETLINK, request.NO_LINK + there))}
        if not any(mac in macs for mac in links.values()):
            return []
        asked = uapi.IFADDRMSG.pack(0, 0, 0, 0, 0) + word(uapi.IFA_TARGET_NETNSID, namespace)
        found = list(read_addresses(dump(uapi.RTM_GETADDR, asked, strict=True)))
    except OSError:
        return []
    return [
        (mac, tuple(one for at, one in found if at == index and not one.is_link_local))
        for index, mac in links.items()
        if mac in macs
    ]
