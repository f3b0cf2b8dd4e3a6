"""Forgetting tracked UDP flows: an old flow would go on to a container that is gone, past what is translated now.

A lean dump, for the reason of ``netlink.dump``. The kernel lists only UDP where it can filter (CTA_FILTER, Linux 5.8);
what it lists is looked at again here. Layout: linux/netfilter/nfnetlink_conntrack.h.
"""

import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from netlink.deadline import remaining
from netlink.dump import PATIENCE
from netlink.errors import kernel_errors
from netlink.lookup import Lookup
from netlink.wire import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    attribute,
    attributes,
    error_number,
    message,
    messages,
    word,
)

NETLINK_NETFILTER = 12
_CT_GET, _CT_DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, _DELETE
NLA_F_NESTED = 0x8000
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER = 1, 2, 25
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT = 1, 2, 3
CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM = 1, 1 << 3  # CTA_FILTER_F_CTA_PROTO_NUM (net/netfilter/nf_internals.h)
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
Address = IPv4Address | IPv6Address
Matches = Callable[[bytes, bytes], bool]  # of the original and the reply tuple of a flow


@dataclass(frozen=True, slots=True)
class UdpPort:
    """A UDP port of a container, and the place of the host that leads to it.

    ``host`` is unspecified (0.0.0.0 or ::) for every address of the host in that family, and None where only the
    container's own address ``target`` leads to the port.
    """

    target: Address
    port: int
    host: Address | None = None
    host_port: int = 0


class Conntrack:
    """Connection tracking of the network namespace that this process lives in."""

    def forget_udp(self, ports: Collection[UdpPort]) -> int:
        """Forget UDP flows that went, or would now go, through one of ``ports``; say how many.

        Those are the flows that were sent to the host's end of it, and those that its target answers.

        Raises:
            KernelError: the kernel refused, or has no connection tracking.
        """
        with kernel_errors("forget tracked UDP flows"), _open() as sock, Lookup() as lookup:
            through = _through(ports, lookup.is_local)
            doomed = [
                (family, orig) for family in _FAMILIES for orig, reply in _flows(sock, family) if through(orig, reply)
            ]
            for family, orig in doomed:
                _delete(sock, family, orig)
        return len(doomed)


def _through(ports: Collection[UdpPort], is_local: Callable[[bytes], bool]) -> Matches:
    """Return what tells flows through ``ports`` from others; an address is looked up only if its port may be one."""
    hosts = {(port.host.packed, port.host_port) for port in ports if port.host is not None}
    targets = {(port.target.packed, port.port) for port in ports}

    def through(orig: bytes, reply: bytes) -> bool:
        address, number = _destination(orig)
        if (address, number) in hosts or _source(reply) in targets:
            return True
        return (bytes(len(address)), number) in hosts and is_local(address)

    return through


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    sock.settimeout(remaining(PATIENCE))
    sock.bind((0, 0))
    return sock


def _flows(sock: socket.socket, family: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the original and the reply tuple of each UDP flow."""
    udp = attribute(CTA_TUPLE_PROTO | NLA_F_NESTED, attribute(CTA_PROTO_NUM, bytes([socket.IPPROTO_UDP])))
    only = word(CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM)
    asked = attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, udp) + attribute(CTA_FILTER | NLA_F_NESTED, only)
    sock.send(message(_CT_GET, NLM_F_DUMP, _header(family) + asked))
    while True:
        for kind, _, body in messages(sock.recv(1 << 17)):
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                _check(body)
                return
            found = dict(attributes(body[4:]))
            orig, reply = found.get(CTA_TUPLE_ORIG, b""), found.get(CTA_TUPLE_REPLY, b"")
            if _protocol(orig) == socket.IPPROTO_UDP:
                yield orig, reply


def _delete(sock: socket.socket, family: int, orig: bytes) -> None:
    sock.send(message(_CT_DELETE, NLM_F_ACK, _header(family) + attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, orig)))
    for kind, _, body in messages(sock.recv(1 << 16)):
        if kind == NLMSG_ERROR:
            _check(body, gone_is_fine=True)


def _check(body: bytes, *, gone_is_fine: bool = False) -> None:
    number = error_number(body)
    if number and not (gone_is_fine and number == _ENOENT):
        raise OSError(number, "")


_ENOENT = 2


def _header(family: int) -> bytes:
    return bytes([family, 0, 0, 0])  # struct nfgenmsg, NFNETLINK_V0


def _part(flow: bytes, part: int) -> dict[int, bytes]:
    return dict(attributes(dict(attributes(flow)).get(part, b"")))


def _protocol(flow: bytes) -> int:
    return int.from_bytes(_part(flow, CTA_TUPLE_PROTO).get(CTA_PROTO_NUM, b""), "big")


def _source(flow: bytes) -> tuple[bytes, int]:
    return _end(flow, (CTA_IP_V4_SRC, CTA_IP_V6_SRC), CTA_PROTO_SRC_PORT)


def _destination(flow: bytes) -> tuple[bytes, int]:
    return _end(flow, (CTA_IP_V4_DST, CTA_IP_V6_DST), CTA_PROTO_DST_PORT)


def _end(flow: bytes, kinds: tuple[int, int], port: int) -> tuple[bytes, int]:
    """Return packed address and port of one end of a flow."""
    addresses = _part(flow, CTA_TUPLE_IP)
    address = next((addresses[kind] for kind in kinds if kind in addresses), b"")
    return address, int.from_bytes(_part(flow, CTA_TUPLE_PROTO).get(port, b""), "big")
