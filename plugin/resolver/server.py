"""The sockets of the resolver. Nothing of dnspython is loaded before the first question.

Only questions that pynet's rules led here are taken: by UDP from a bridge whose containers the resolver serves, by TCP
where conntrack knows that the connection was for port 53; or from the host itself. The rules drop all others, and
these checks hold while somebody has flushed the rules.
"""

import socket
import struct
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import structlog

from plugin.background.loop import Steady
from plugin.model.resolver_place import HOST, PORT, RESOLVER
from plugin.protocol.messages import Address
from plugin.resolver.counts import QuestionCounts
from plugin.resolver.events import READ, SocketEvents
from plugin.resolver.limits import HeldShare, ResolverLimits
from plugin.resolver.streams import Stream
from plugin.resolver.zone import Zone

if TYPE_CHECKING:
    from plugin.resolver.answering import Answering, MayAsk
    from plugin.resolver.answers import Asker

log = structlog.get_logger()

_DNS = 53
_LOOPBACK = 1  # index of link lo
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50  # linux/in.h, linux/in6.h
_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h
_BATCH = 64  # questions of one socket before others have their turn
Serves = Callable[[str], bool]  # whether the containers behind a bridge are served


class Server:
    """Serves at addresses of this host; made and used by one thread. ``counts`` outlive it."""

    def __init__(
        self,
        zone: Zone,
        servers: Callable[[], Sequence[str]],
        serves: Serves,
        may_ask: "MayAsk",
        limits: ResolverLimits | None = None,
        counts: QuestionCounts | None = None,
    ) -> None:
        self.events = SocketEvents()
        self._zone = zone
        self._servers = servers
        self._serves = serves
        self._may_ask = may_ask
        self._limits = limits or ResolverLimits()
        self._streams = HeldShare(self._limits.connections, self._limits.connections_of_client)
        self._counts = counts or QuestionCounts()
        self._answering: Answering | None = None

    def listen(self, places: Sequence[Address] = tuple(RESOLVER.values()), port: int = PORT) -> None:
        """Open the sockets; raises ``OSError`` if an address is not there or its port is taken."""
        for place in places:
            family = socket.AF_INET if place.version == 4 else socket.AF_INET6
            udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self.events.watch(udp, READ, partial(self._datagrams, udp))
            tcp = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            self.events.watch(tcp, READ, partial(self._accept, tcp))
            if place.version == 4:
                udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            else:
                udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind((str(place), port))
            tcp.bind((str(place), port))
            tcp.listen(self._limits.connections)

    @property
    def kept(self) -> int:
        """The number of answers in the cache."""
        return self._answering.kept if self._answering else 0

    def run(self) -> None:
        """Serve until ``stop``; an unforeseen error about one question is logged and does not end the others."""
        steady = Steady()
        self.events.run(lambda call: steady.attempt("question", call))

    def stop(self) -> None:
        """End ``run``, from any thread."""
        self.events.stop()

    def close(self) -> None:
        """Close all sockets."""
        self.events.end()

    def _datagrams(self, sock: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                wire, info, flags, peer = sock.recvmsg(self._limits.question, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an error about an answer that somebody did not take
            index = _link_of(info)
            client = None if flags & socket.MSG_TRUNC else self._client(ip_address(peer[0].partition("%")[0]), index)
            if client is not None:
                self._ask(wire, client, partial(_send, sock, peer), stream=False)

    def _client(self, address: Address, index: int) -> "Asker | None":
        """Return who sent a datagram that came in by the link ``index``; None for a stranger.

        By IPv6 the kernel names link ``lo`` for every datagram to an address there (net/ipv6/ip6_input.c).
        """
        if index == _LOOPBACK and (address.version == 4 or address.is_loopback or address in RESOLVER.values()):
            return self._known(address, host=True)
        try:
            served = (
                self._zone.network_of(address) if index == _LOOPBACK else self._serves(socket.if_indextoname(index))
            )
        except OSError:
            return None
        return self._known(address, host=False) if served else None

    def _known(self, address: Address, *, host: bool) -> "Asker":
        from plugin.resolver.answers import Asker

        return Asker(address, HOST if host else self._zone.network_of(address))

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("question by TCP not taken", error=str(error))
                return
            address = ip_address(peer[0].partition("%")[0])
            host = address == ip_address(sock.getsockname()[0])
            if not (host or _was_for_dns(sock)) or not self._streams.hold(address):
                sock.close()
                continue
            sock.setblocking(False)
            ended = partial(self._streams.release, address)
            Stream(self.events, sock, self._limits, self._asker(address, host=host), ended)

    def _asker(self, address: Address, *, host: bool) -> Callable[[bytes, Callable[[bytes], object]], None]:
        def ask(wire: bytes, send: Callable[[bytes], object]) -> None:
            self._ask(wire, self._known(address, host=host), send, stream=True)

        return ask

    def _ask(self, wire: bytes, client: "Asker", send: Callable[[bytes], object], *, stream: bool) -> None:
        if self._answering is None:
            from plugin.resolver.answering import Answering

            parts = self.events, self._zone, self._servers, self._may_ask, self._limits, self._counts
            self._answering = Answering(*parts)
        self._answering.question(wire, client, send, stream=stream)


def _send(sock: socket.socket, peer: tuple[str, int], data: bytes) -> None:
    """Send a response; one that cannot be sent is lost, as any datagram may be."""
    try:
        sock.sendto(data, peer)
    except OSError:
        log.debug("response not sent", client=peer[0])


def _link_of(info: list[tuple[int, int, bytes]]) -> int:
    """Return the index of the link by which a datagram came, 0 if the kernel does not tell (ip(7), ipv6(7))."""
    for level, kind, data in info:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return int(struct.unpack_from("=i", data)[0])
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO):
            return int(struct.unpack_from("=i", data, 16)[0])
    return 0


def _was_for_dns(sock: socket.socket) -> bool:
    """Return whether rules led a connection here that was for port 53."""
    level = socket.IPPROTO_IP if sock.family == socket.AF_INET else socket.IPPROTO_IPV6
    try:
        original = sock.getsockopt(level, _ORIGINAL_DST, 28)
    except OSError:
        return False
    return int.from_bytes(original[2:4]) == _DNS
