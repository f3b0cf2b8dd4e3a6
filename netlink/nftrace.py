"""Hears which rules of nftables a traced packet meets (``meta nftrace set 1``), without libraries.

The kernel sends a message for each rule that applies to such a packet, and none while nobody listens.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from netlink import uapi
from netlink.errors import kernel_errors
from netlink.headers import ETHER_ARP, ETHER_IPV4, ETHER_IPV6, Headers, read_headers
from netlink.listening import heard
from netlink.request import link_name
from netlink.wire import attributes

ROOM = 1 << 22  # bytes of messages that wait to be read
ACCEPT, DROP = "accept", "drop"
_VERDICTS = {0: DROP, 1: ACCEPT, 2: "stolen", 3: "queue", 4: "repeat"}  # linux/netfilter.h
_MOVES = {-1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}  # enum nft_verdicts
_ETHER = {uapi.NFPROTO_IPV4: ETHER_IPV4, uapi.NFPROTO_IPV6: ETHER_IPV6, uapi.NFPROTO_ARP: ETHER_ARP}
_FAMILIES = {  # of tables that a packet of a protocol can meet
    uapi.NFPROTO_IPV4: ("inet", "ip"),
    uapi.NFPROTO_IPV6: ("inet", "ip6"),
    uapi.NFPROTO_ARP: ("arp",),
    uapi.NFPROTO_BRIDGE: ("bridge",),
    uapi.NFPROTO_NETDEV: ("netdev",),
}


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """A rule that applied to a packet, by its handle, or with handle 0 the end of a chain or its policy.

    ``packet`` is the same for events of one packet; a later packet may have it again. The message does not say the
    family of the table, but which ``families`` it may be. The first event in a chain of a hook has ``headers``.
    """

    packet: int
    families: tuple[str, ...]
    table: str
    chain: str
    handle: int
    verdict: str
    to_chain: str = ""
    by_policy: bool = False
    headers: Headers | None = None
    link_in: str = ""
    link_out: str = ""


class TraceEvents:
    """A socket that hears traced packets of all families.

    Raises:
        KernelError: the kernel refused.
    """

    def __init__(self) -> None:
        with kernel_errors("listen to traced packets"):
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_NETFILTER
            )
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, ROOM)
                self._socket.bind((0, 0))
                self._socket.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, uapi.NFNLGRP_NFTRACE)
            except OSError:
                self._socket.close()
                raise

    def events(self, seconds: float) -> Iterator[TraceEvent]:
        """Yield events, until ``seconds`` have passed without one."""
        for kind, _, body in heard(self._socket, max(0.0, seconds)):
            if kind == uapi.NFT_MSG_TRACE:
                yield _event(dict(attributes(body[uapi.NFGENMSG :])))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def __enter__(self) -> "TraceEvents":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _event(found: dict[int, bytes]) -> TraceEvent:
    number = {kind: int.from_bytes(value, "big") for kind, value in found.items() if len(value) in {4, 8}}
    protocol = number.get(uapi.NFTA_TRACE_NFPROTO, 0)
    by_policy = number.get(uapi.NFTA_TRACE_TYPE) == uapi.NFT_TRACETYPE_POLICY
    verdict = dict(attributes(found.get(uapi.NFTA_TRACE_VERDICT, b"")))
    code = int.from_bytes(verdict.get(uapi.NFTA_VERDICT_CODE, b"\xff" * 4), "big", signed=True)
    if by_policy:
        code = number.get(uapi.NFTA_TRACE_POLICY, 1)
    return TraceEvent(
        number.get(uapi.NFTA_TRACE_ID, 0),
        _FAMILIES.get(protocol, ()),
        _text(found.get(uapi.NFTA_TRACE_TABLE, b"")),
        _text(found.get(uapi.NFTA_TRACE_CHAIN, b"")),
        number.get(uapi.NFTA_TRACE_RULE_HANDLE, 0),
        _VERDICTS.get(code & 0xFF, "") if code >= 0 else _MOVES.get(code, ""),
        _text(verdict.get(uapi.NFTA_VERDICT_CHAIN, b"")),
        by_policy,
        _headers(protocol, found),
        link_name(number.get(uapi.NFTA_TRACE_IIF, 0)),
        link_name(number.get(uapi.NFTA_TRACE_OIF, 0)),
    )


def _headers(protocol: int, found: dict[int, bytes]) -> Headers | None:
    """Read the headers; a packet of a bridge says its protocol in the header of Ethernet."""
    network = found.get(uapi.NFTA_TRACE_NETWORK_HEADER)
    if network is None:
        return None
    frame = found.get(uapi.NFTA_TRACE_LL_HEADER, b"")
    kind = _ETHER.get(protocol) or int.from_bytes(frame[12:14], "big")
    return read_headers(kind, network + found.get(uapi.NFTA_TRACE_TRANSPORT_HEADER, b""))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
