"""From the bytes of a question to the bytes of its response, with names in memory and no server of the host."""

from collections.abc import Iterator
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import pytest

from plugin.resolver.answering import Answering
from plugin.resolver.answers import Asker
from plugin.resolver.counts import QuestionCounts
from plugin.resolver.events import SocketEvents
from plugin.resolver.limits import ResolverLimits
from tests.unit.fake_zone import FakeZone

THREE = ["10.1.0.2", "10.1.0.3", "10.1.0.4"]
MANY = [f"10.1.1.{number}" for number in range(200)]
INSIDE = Asker(ip_address("10.1.0.9"), "blue")


class Resolver:
    """Answers questions of one client; names that end in ``.secret`` are against its policy."""

    def __init__(self) -> None:
        self.counts, self.events = QuestionCounts(), SocketEvents()
        zone, limits = FakeZone("blue", {"web": THREE, "crowd": MANY}), ResolverLimits()
        may_ask = lambda _client, _network, name: not name.endswith(".secret")  # noqa: E731
        self._answering = Answering(self.events, zone, tuple, may_ask, limits, self.counts)

    def ask(self, wire: bytes, *, stream: bool = False) -> list[bytes]:
        """Return the responses to a message."""
        found: list[bytes] = []
        self._answering.question(wire, INSIDE, found.append, stream=stream)
        return found

    def found(self, query: dns.message.Message) -> dns.message.Message:
        """Return the response to a question by UDP."""
        return dns.message.from_wire(self.ask(query.to_wire())[0])


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    """A resolver without servers."""
    found = Resolver()
    yield found
    found.events.end()


def test_addresses_come_in_turn(resolver: Resolver) -> None:
    """Each of three addresses is the first of every third answer, in the bytes that the client gets."""
    answers = [resolver.found(dns.message.make_query("web", "A")) for _ in range(9)]
    assert [str(answer.answer[0][0]) for answer in answers] == THREE * 3


def test_an_answer_is_cut_to_the_room_of_the_client(resolver: Resolver) -> None:
    """512 bytes without EDNS, up to 1,232 with it, whatever the client says; by TCP everything comes."""
    query = dns.message.make_query("crowd", "A").to_wire()
    large = dns.message.make_query("crowd", "A", payload=4096)
    for wire, most in ((query, 512), (large.to_wire(), 1232)):
        (data,) = resolver.ask(wire)
        assert len(data) <= most
        assert dns.message.from_wire(data, raise_on_truncation=False).flags & dns.flags.TC
    (data,) = resolver.ask(query, stream=True)
    assert len(dns.message.from_wire(data[2:]).answer[0]) == len(MANY)


def test_each_question_is_counted_by_its_outcome(resolver: Resolver) -> None:
    """Answered, refused by a policy or by its kind, and not to be asked; garbage gets no answer and is not counted."""
    for name, kind in (("web", "A"), ("web", "AAAA"), ("none.blue.pynet", "A"), ("x.secret", "A"), ("web", "ANY")):
        resolver.ask(dns.message.make_query(name, kind).to_wire())
    assert resolver.found(dns.message.make_query("example.com", "A")).rcode() == dns.rcode.SERVFAIL
    assert resolver.ask(b"?") == []
    resolver.ask(dns.message.make_query("web", "A").to_wire()[:-3])
    assert resolver.counts.by_outcome() == {"own": 3, "cached": 0, "forwarded": 0, "refused": 3, "failed": 1}
