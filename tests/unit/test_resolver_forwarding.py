"""The resolver asks servers of the host, one after the other, by UDP and by TCP: with sockets of the loopback."""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from plugin.resolver.cache import Cache, Key
from plugin.resolver.events import READ, SocketEvents
from plugin.resolver.forwarding import Upstream
from plugin.resolver.limits import ResolverLimits

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
LIMITS = ResolverLimits(patience=0.5)
MANY = [f"10.0.{number // 250}.{number % 250}" for number in range(300)]  # more than an answer by UDP has room for
KEY = Key.of(dns.message.make_query("example.com", "A"))
Behaviour = Callable[[dns.message.Message], Sequence[bytes]]


def reply(query: dns.message.Message, addresses: Sequence[str] = ("192.0.2.1",)) -> dns.message.Message:
    """Return an answer with addresses."""
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", *addresses))
    return response


def fails(query: dns.message.Message) -> Sequence[bytes]:
    """Answer SERVFAIL."""
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.SERVFAIL)
    return [response.to_wire()]


def cut(query: dns.message.Message) -> Sequence[bytes]:
    """Answer as much as fits, and say that it is cut."""
    return [reply(query, MANY).to_wire(max_size=1232, prefer_truncation=True)]


def forged(query: dns.message.Message) -> Sequence[bytes]:
    """Answer garbage, and a forged answer with another id, before the right one."""
    other = reply(query, ["203.0.113.66"])
    other.id ^= 1
    return [b"?", other.to_wire(), reply(query).to_wire()]


class NameServer:
    """A server on one address, by UDP and TCP; ``by_tcp`` are the bytes before it closes a connection."""

    def __init__(self, site: "Site", address: str, behaviour: Behaviour, by_tcp: Behaviour = lambda _: ()) -> None:
        self.asked = 0
        self._events, self._behaviour, self._by_tcp = site.events, behaviour, by_tcp
        self._udp, self._tcp = (socket.socket(type=kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        self._tcp.bind((address, site.port))
        site.port = self._tcp.getsockname()[1]
        self._udp.bind((address, site.port))
        self._tcp.listen()
        self._events.watch(self._udp, READ, self._datagram)
        self._events.watch(self._tcp, READ, self._accept)

    def _datagram(self) -> None:
        wire, peer = self._udp.recvfrom(4096)
        self.asked += 1
        for data in self._behaviour(dns.message.from_wire(wire)):
            self._udp.sendto(data, peer)

    def _accept(self) -> None:
        sock, _ = self._tcp.accept()

        def ready() -> None:
            for data in self._by_tcp(dns.message.from_wire(sock.recv(4096)[2:])):
                sock.sendall(data)
            self._events.close(sock)

        self._events.watch(sock, READ, ready)


class Site:
    """Servers and the resolver's forwarding, in one thread."""

    def __init__(self) -> None:
        self.events, self.port = SocketEvents(), 0
        self.cache = Cache(LIMITS)

    def ask(self, *servers: str, limits: ResolverLimits = LIMITS, times: int = 1) -> list[dns.message.Message | None]:
        """Ask so many times at once, and return the answers."""
        upstream, found = Upstream(self.events, lambda: servers, self.cache, limits, self.port), []

        def done(answer: dns.message.Message | None) -> None:
            found.append(answer)
            if len(found) == times:
                self.events.stop()

        for _ in range(times):
            upstream.ask(KEY, done)
        self.events.later(20, self.events.stop)
        self.events.run(lambda call: call())
        return found


@pytest.fixture
def site() -> Iterator[Site]:
    """A resolver without servers."""
    site = Site()
    yield site
    site.events.end()


def addresses(answer: dns.message.Message | None) -> list[str]:
    """Return the addresses of an answer."""
    return [str(one) for rrset in answer.answer for one in rrset] if answer else []


@pytest.mark.parametrize(
    ("first", "by_tcp"),
    [
        (lambda _: (), lambda _: ()),
        (fails, lambda _: ()),
        (cut, lambda _: ()),
        (cut, lambda query: [reply(query).to_wire(prepend_length=True)[:-5]]),
        (cut, lambda _: [b"\0\1?"]),
    ],
    ids=["silent", "failing", "closes by TCP", "half an answer by TCP", "garbage by TCP"],
)
def test_the_next_server_is_asked(site: Site, first: Behaviour, by_tcp: Behaviour) -> None:
    """A server that gives no good answer is followed by the next one, which is asked once."""
    servers = [NameServer(site, FIRST, first, by_tcp), NameServer(site, SECOND, lambda query: [reply(query).to_wire()])]
    assert addresses(site.ask(FIRST, SECOND)[0]) == ["192.0.2.1"]
    assert [server.asked for server in servers] == [1, 1]


def test_a_server_that_is_not_there_costs_no_time(site: Site) -> None:
    """The kernel says at once that nobody serves at an address, so the patience of an hour is not used."""
    NameServer(site, SECOND, lambda query: [reply(query).to_wire()])
    assert addresses(site.ask(FIRST, SECOND, limits=replace(LIMITS, patience=3600))[0]) == ["192.0.2.1"]


def test_a_truncated_answer_comes_whole_by_tcp(site: Site) -> None:
    """What does not fit into a datagram is asked for by TCP, also if it comes there in parts, and is cached whole."""

    def in_parts(query: dns.message.Message) -> Sequence[bytes]:
        wire = reply(query, MANY).to_wire(max_size=65535, prepend_length=True)
        return [wire[:1], wire[1:700], wire[700:]]

    server = NameServer(site, FIRST, cut, in_parts)
    assert sorted(addresses(site.ask(FIRST, limits=replace(LIMITS, patience=20))[0])) == sorted(MANY)
    assert server.asked == 1
    assert len(site.cache) == 0  # larger than an answer that is kept


def test_a_forged_answer_is_passed_over(site: Site) -> None:
    """Only an answer with the id of the question counts."""
    NameServer(site, FIRST, forged)
    assert addresses(site.ask(FIRST)[0]) == ["192.0.2.1"]
    assert len(site.cache) == 1


def test_the_same_question_is_asked_once(site: Site) -> None:
    """Clients that ask the same at the same time wait for one answer."""
    server = NameServer(site, FIRST, lambda query: [reply(query).to_wire()])
    assert [addresses(answer) for answer in site.ask(FIRST, times=3)] == [["192.0.2.1"]] * 3
    assert server.asked == 1


def test_silence_of_all_is_a_failure(site: Site) -> None:
    """After the last try there is no answer; one server is asked twice, as a datagram may be lost."""
    server = NameServer(site, FIRST, lambda _: ())
    assert site.ask(FIRST) == [None]
    assert server.asked == 2
    assert site.ask() == [None]
