"""Forgets tracked flows: an old flow would go on, whatever nftables translates or allows now.

Flows of UDP may lead to a container that is gone. The kernel lists UDP alone where it can filter (CTA_FILTER, Linux
5.8); older kernels list everything, so the protocol is checked again here. Flows of any protocol may be forbidden by a
policy that has changed.
"""

import errno
import socket
from collections.abc import Callable, Collection, Iterator
from ipaddress import ip_address

from netlink import uapi
from netlink.deadline import remaining
from netlink.errors import kernel_errors
from netlink.ip import FAMILIES, Address
from netlink.request import PATIENCE
from netlink.routes import RouteLookup
from netlink.values import dataclass
from netlink.wire import attribute, attributes, check, error_number, message, messages, nested, word

Matches = Callable[[bytes, bytes], bool]  # of the original and the reply tuple of a flow


@dataclass(frozen=True, slots=True)
class UdpPort:
    """A UDP port of a container, and the address and port of the host that lead to it.

    ``host`` is unspecified (0.0.0.0 or ::) for every address of the host in that family, and None where only the
    container's own address ``target`` leads to the port.
    """

    target: Address
    port: int
    host: Address | None = None
    host_port: int = 0


@dataclass(frozen=True, slots=True)
class TrackedFlow:
    """A flow: its protocol number, who sent its first packet to what address and port, and who answers.

    The two differ where the destination was translated; ports of protocols without any are 0.
    """

    proto: int
    source: Address
    destination: Address
    port: int
    target: Address
    target_port: int


class Conntrack:
    """Connection tracking of the network namespace that this process lives in."""

    def forget_udp(self, ports: Collection[UdpPort]) -> int:
        """Forget UDP flows that went, or would now go, through one of ``ports``; return how many.

        These are the flows that were sent to the host's end of a port, and those that its target answers.

        Raises:
            KernelError: the kernel refused, or has no connection tracking.
        """
        with kernel_errors("forget tracked UDP flows"), _open() as sock, RouteLookup() as lookup:
            through = _through(ports, lookup.is_local)
            doomed = [
                (family, orig) for family in FAMILIES for orig, reply in _flows(sock, family) if through(orig, reply)
            ]
            for family, orig in doomed:
                _delete(sock, family, orig)
        return len(doomed)

    def forget(self, doomed: Callable[[TrackedFlow], bool]) -> int:
        """Forget every flow for which ``doomed`` returns true; return how many.

        The next packet of a forgotten flow is judged as the first one is.

        Raises:
            KernelError: the kernel refused, or has no connection tracking.
        """
        with kernel_errors("forget tracked flows"), _open() as sock:
            every = [(family, *flow) for family in FAMILIES for flow in _flows(sock, family, proto=None)]
            found = [(family, orig) for family, orig, reply in every if doomed(_flow(orig, reply))]
            for family, orig in found:
                _delete(sock, family, orig)
        return len(found)


def _flow(orig: bytes, reply: bytes) -> TrackedFlow:
    (source, _), (destination, port), (target, target_port) = _source(orig), _destination(orig), _source(reply)
    return TrackedFlow(
        _protocol(orig), ip_address(source), ip_address(destination), port, ip_address(target), target_port
    )


def _through(ports: Collection[UdpPort], is_local: Callable[[bytes], bool]) -> Matches:
    """Return a test for flows through ``ports``; an address is looked up only if its port may be one of them."""
    hosts = {(port.host.packed, port.host_port) for port in ports if port.host is not None}
    targets = {(port.target.packed, port.port) for port in ports}

    def through(orig: bytes, reply: bytes) -> bool:
        address, number = _destination(orig)
        if (address, number) in hosts or _source(reply) in targets:
            return True
        return (bytes(len(address)), number) in hosts and is_local(address)

    return through


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_NETFILTER)
    sock.settimeout(remaining(PATIENCE))
    sock.bind((0, 0))
    return sock


def _flows(sock: socket.socket, family: int, proto: int | None = socket.IPPROTO_UDP) -> Iterator[tuple[bytes, bytes]]:
    """Yield the original and the reply tuple of each flow of a protocol, or of all without one."""
    asked = b""
    if proto is not None:
        of_it = nested(uapi.CTA_TUPLE_PROTO, attribute(uapi.CTA_PROTO_NUM, bytes([proto])))
        only = word(uapi.CTA_FILTER_ORIG_FLAGS, uapi.CTA_FILTER_F_CTA_PROTO_NUM)
        asked = nested(uapi.CTA_TUPLE_ORIG, of_it) + nested(uapi.CTA_FILTER, only)
    sock.send(message(uapi.IPCTNL_MSG_CT_GET, uapi.NLM_F_DUMP, _header(family) + asked))
    while True:
        for kind, _, body in messages(sock.recv(1 << 17)):
            if kind == uapi.NLMSG_DONE:
                return
            if kind == uapi.NLMSG_ERROR:
                _check(body)
                return
            found = dict(attributes(body[uapi.NFGENMSG :]))
            orig, reply = found.get(uapi.CTA_TUPLE_ORIG, b""), found.get(uapi.CTA_TUPLE_REPLY, b"")
            if proto in (None, _protocol(orig)):
                yield orig, reply


def _delete(sock: socket.socket, family: int, orig: bytes) -> None:
    flow = _header(family) + nested(uapi.CTA_TUPLE_ORIG, orig)
    sock.send(message(uapi.IPCTNL_MSG_CT_DELETE, uapi.NLM_F_ACK, flow))
    for kind, _, body in messages(sock.recv(1 << 16)):
        if kind == uapi.NLMSG_ERROR:
            _check(body, gone_is_fine=True)


def _check(body: bytes, *, gone_is_fine: bool = False) -> None:
    number = error_number(body)
    if not (gone_is_fine and number == errno.ENOENT):
        check(number)


def _header(family: int) -> bytes:
    return bytes([family, 0, 0, 0])  # struct nfgenmsg, NFNETLINK_V0


def _part(flow: bytes, part: int) -> dict[int, bytes]:
    return dict(attributes(dict(attributes(flow)).get(part, b"")))


def _protocol(flow: bytes) -> int:
    return int.from_bytes(_part(flow, uapi.CTA_TUPLE_PROTO).get(uapi.CTA_PROTO_NUM, b""), "big")


def _source(flow: bytes) -> tuple[bytes, int]:
    return _end(flow, (uapi.CTA_IP_V4_SRC, uapi.CTA_IP_V6_SRC), uapi.CTA_PROTO_SRC_PORT)


def _destination(flow: bytes) -> tuple[bytes, int]:
    return _end(flow, (uapi.CTA_IP_V4_DST, uapi.CTA_IP_V6_DST), uapi.CTA_PROTO_DST_PORT)


def _end(flow: bytes, kinds: tuple[int, int], port: int) -> tuple[bytes, int]:
    addresses = _part(flow, uapi.CTA_TUPLE_IP)
    address = next((addresses[kind] for kind in kinds if kind in addresses), b"")
    return address, int.from_bytes(_part(flow, uapi.CTA_TUPLE_PROTO).get(port, b""), "big")
