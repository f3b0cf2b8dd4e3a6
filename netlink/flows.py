"""Reads the flows that the kernel tracks, and hears of new and ended ones (nfnetlink_conntrack).

A listing is read message by message, so that 100,000 flows need no memory. The kernel lists those of one address or
protocol alone where it can filter (CTA_FILTER, Linux 5.8); older kernels list everything, so callers check again.
"""

import errno
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netlink import uapi
from netlink.deadline import remaining
from netlink.errors import kernel_errors
from netlink.ip import FAMILIES
from netlink.request import PATIENCE
from netlink.wire import attribute, attributes, check, error_number, message, messages, nested, word

NEW, END, LOST = "new", "end", "lost"  # kinds of events; LOST: the kernel threw events away
_ROOM = 8 << 20  # bytes of events that wait to be read
# enum tcp_conntrack (linux/netfilter/nf_conntrack_tcp.h)
_TCP_STATES = (
    *("none", "syn-sent", "syn-received", "established", "fin-wait", "close-wait", "last-ack", "time-wait", "closed"),
    "syn-sent",
)


class Side(NamedTuple):
    """An address in network order, and a port; of ICMP the port is the identifier of the question."""

    address: bytes
    port: int


class Traversed(NamedTuple):
    """What went in one direction of a flow."""

    packets: int
    bytes: int


class Flow(NamedTuple):
    """A tracked flow.

    ``source`` sent the first packet to ``destination``; ``target`` is who answers, another one if the destination is
    translated. ``expires`` is None of one that ended, ``started`` (nanoseconds since 1970), ``there`` and ``back`` are
    None if the kernel does not note them.
    """

    proto: int
    source: Side
    destination: Side
    target: Side
    state: str
    expires: int | None
    started: int | None
    there: Traversed | None
    back: Traversed | None


class Match(NamedTuple):
    """Flows of a protocol and of an IP version (0: of all) that an IPv4 address began or answers (b"": of all).

    Of IPv6 addresses the kernel, in Linux 6.18 too, selects all others (ctnetlink_filter_match_tuple).
    """

    proto: int = 0
    version: int = 0
    source: bytes = b""
    target: bytes = b""


def listed(match: Match) -> Iterator[Flow]:
    """Yield the tracked flows of ``match``, or all of them on a kernel that cannot filter.

    Raises:
        KernelError: ``Denied`` without CAP_NET_ADMIN, ``NotSupported`` without connection tracking.
    """
    version = 4 if match.source or match.target else match.version
    for family in FAMILIES:
        if version in {0, 4 if family == socket.AF_INET else 6}:
            with kernel_errors("list tracked flows"), _open() as sock:
                sock.settimeout(remaining(PATIENCE))
                asked = bytes([family, 0, 0, 0]) + _filter(match)
                sock.send(message(uapi.IPCTNL_MSG_CT_GET, uapi.NLM_F_DUMP, asked))
                yield from _answers(sock)


class Events:
    """Hears of flows that begin and end, until ``close``; the kernel makes such events only while somebody listens."""

    def __init__(self) -> None:
        with kernel_errors("listen for flows"):
            self._socket = _open()
            self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, _ROOM)
            for group in (uapi.NFNLGRP_CONNTRACK_NEW, uapi.NFNLGRP_CONNTRACK_DESTROY):
                self._socket.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, group)

    def __iter__(self) -> Iterator[tuple[str, Flow | None]]:
        """Yield the kind of each event and its flow, for ever."""
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield LOST, None
                continue
            for kind, _, body in messages(data):
                if kind in {uapi.IPCTNL_MSG_CT_NEW, uapi.IPCTNL_MSG_CT_DELETE}:
                    yield (NEW if kind == uapi.IPCTNL_MSG_CT_NEW else END), read_flow(body)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def _filter(match: Match) -> bytes:
    proto = nested(uapi.CTA_TUPLE_PROTO, attribute(uapi.CTA_PROTO_NUM, bytes([match.proto]))) if match.proto else b""
    of_proto = uapi.CTA_FILTER_F_CTA_PROTO_NUM if match.proto else 0
    parts, flags = b"", b""
    for address, tuple_kind, flags_kind, with_proto in (
        (match.source, uapi.CTA_TUPLE_ORIG, uapi.CTA_FILTER_ORIG_FLAGS, bool(match.proto)),
        (match.target, uapi.CTA_TUPLE_REPLY, uapi.CTA_FILTER_REPLY_FLAGS, False),
    ):
        own = nested(uapi.CTA_TUPLE_IP, attribute(uapi.CTA_IP_V4_SRC, address)) if address else b""
        if own or with_proto:
            parts += nested(tuple_kind, own + (proto if with_proto else b""))
            wanted = (uapi.CTA_FILTER_F_CTA_IP_SRC if own else 0) | (of_proto if with_proto else 0)
            flags += word(flags_kind, wanted)
    return parts + nested(uapi.CTA_FILTER, flags) if flags else b""


def _answers(sock: socket.socket) -> Iterator[Flow]:
    while True:
        for kind, _, body in messages(sock.recv(1 << 17)):
            if kind in {uapi.NLMSG_DONE, uapi.NLMSG_ERROR}:
                check(error_number(body))
                return
            yield read_flow(body)


def read_flow(body: bytes) -> Flow:
    """Read the body of a message about a flow."""
    found = dict(attributes(body[uapi.NFGENMSG :]))
    proto, source, destination = _tuple(found[uapi.CTA_TUPLE_ORIG])
    status = int.from_bytes(found.get(uapi.CTA_STATUS, b""), "big")
    started = dict(attributes(found.get(uapi.CTA_TIMESTAMP, b""))).get(uapi.CTA_TIMESTAMP_START)
    expires = found.get(uapi.CTA_TIMEOUT)
    return Flow(
        proto,
        source,
        destination,
        _tuple(found[uapi.CTA_TUPLE_REPLY])[1],
        _state(found.get(uapi.CTA_PROTOINFO, b""), status),
        None if expires is None else int.from_bytes(expires, "big"),
        None if started is None else int.from_bytes(started, "big"),
        _traversed(found.get(uapi.CTA_COUNTERS_ORIG)),
        _traversed(found.get(uapi.CTA_COUNTERS_REPLY)),
    )


def _tuple(nest: bytes) -> tuple[int, Side, Side]:
    parts = dict(attributes(nest))
    addresses, proto = dict(attributes(parts[uapi.CTA_TUPLE_IP])), dict(attributes(parts[uapi.CTA_TUPLE_PROTO]))
    source, destination = (_first(addresses, kinds) for kinds in (_SOURCES, _DESTINATIONS))
    from_port = _port(_first(proto, _SOURCE_PORTS))
    to_port = proto.get(uapi.CTA_PROTO_DST_PORT)
    ends = Side(source, from_port), Side(destination, from_port if to_port is None else _port(to_port))
    return int.from_bytes(proto[uapi.CTA_PROTO_NUM], "big"), *ends


_SOURCES = (uapi.CTA_IP_V4_SRC, uapi.CTA_IP_V6_SRC)
_DESTINATIONS = (uapi.CTA_IP_V4_DST, uapi.CTA_IP_V6_DST)
_SOURCE_PORTS = (uapi.CTA_PROTO_SRC_PORT, uapi.CTA_PROTO_ICMP_ID, uapi.CTA_PROTO_ICMPV6_ID)


def _first(found: Mapping[int, bytes], kinds: tuple[int, ...]) -> bytes:
    return next((found[kind] for kind in kinds if kind in found), b"")


def _port(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _state(info: bytes, status: int) -> str:
    """Return the state of a TCP connection, or whether a flow of another protocol was answered."""
    of_tcp = dict(attributes(dict(attributes(info)).get(uapi.CTA_PROTOINFO_TCP, b"")))
    if uapi.CTA_PROTOINFO_TCP_STATE in of_tcp:
        return _TCP_STATES[min(of_tcp[uapi.CTA_PROTOINFO_TCP_STATE][0], len(_TCP_STATES) - 1)]
    return "answered" if status & uapi.IPS_SEEN_REPLY else "unanswered"


def _traversed(nest: bytes | None) -> Traversed | None:
    if nest is None:
        return None
    found = dict(attributes(nest))
    return Traversed(*(_port(found.get(kind, b"")) for kind in (uapi.CTA_COUNTERS_PACKETS, uapi.CTA_COUNTERS_BYTES)))
