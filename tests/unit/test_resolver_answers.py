"""Answers of the resolver from the names of containers, its cache and its limits."""

import random
from ipaddress import ip_address
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from plugin.model.resolver_place import HOST
from plugin.resolver.answers import Asker, OwnAnswers, read
from plugin.resolver.cache import Cache, Key, copied
from plugin.resolver.limits import HeldShare, ResolverLimits
from plugin.resolver.servers import HostServers
from tests.unit.fake_zone import FakeZone

BLUE = FakeZone("blue", {"web": ["10.1.0.2", "10.1.0.3"], "web.blue.pynet": ["10.1.0.2"], "six": ["fd00::2"]})
INSIDE, STRANGER = Asker(ip_address("10.1.0.9"), "blue"), Asker(ip_address("172.17.0.2"), None)
ANSWERS = OwnAnswers(BLUE, ResolverLimits())


def asked(name: str, kind: str = "A", client: Asker = INSIDE) -> dns.message.Message | None:
    """Ask, and return the response, None if another server has to be asked."""
    return OwnAnswers(BLUE, ResolverLimits()).answer(dns.message.make_query(name, kind), client)


def first(answer: dns.message.Message | None) -> str:
    """Return the first address of a response."""
    assert answer is not None
    return str(answer.answer[0][0])


def test_names_of_a_network_are_answered_in_turn() -> None:
    """Both addresses of a name come, each first in its turn, with a TTL of 5 s and as an authority."""
    answers = [ANSWERS.answer(dns.message.make_query("WEB", "A"), INSIDE) for _ in range(4)]
    assert [first(answer) for answer in answers] == ["10.1.0.2", "10.1.0.3", "10.1.0.2", "10.1.0.3"]
    assert answers[0] is not None
    assert answers[0].answer[0].ttl == 5
    assert answers[0].flags & dns.flags.AA


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("web", "AAAA", dns.rcode.NOERROR),
        ("six", "A", dns.rcode.NOERROR),
        ("web", "MX", dns.rcode.NOERROR),
        ("none.blue.pynet", "A", dns.rcode.NXDOMAIN),
        ("pynet", "A", dns.rcode.NOERROR),
    ],
)
def test_missing_data_and_missing_names_differ(name: str, kind: str, rcode: int) -> None:
    """A known name without such data has no data; an unknown one below pynet does not exist; both have an SOA."""
    answer = asked(name, kind)
    assert answer is not None
    assert (answer.rcode(), answer.answer) == (rcode, [])
    assert [rrset.rdtype for rrset in answer.authority] == [dns.rdatatype.SOA]


def test_addresses_lead_to_names() -> None:
    """The reverse name of a container's address has its names; that of another address is for other servers."""
    answer = asked("2.0.1.10.in-addr.arpa", "PTR")
    assert answer is not None
    assert {str(one) for one in answer.answer[0]} == {"web.", "web.blue.pynet."}
    assert asked("7.0.1.10.in-addr.arpa", "PTR") is None


def test_other_clients_learn_no_names() -> None:
    """Containers of other drivers get nothing below pynet, and their other questions go on; the host is sent away."""
    below = asked("web.blue.pynet", client=STRANGER)
    assert below is not None
    assert below.rcode() == dns.rcode.NXDOMAIN
    assert asked("web", client=STRANGER) is None
    host = asked("example.com", client=Asker(ip_address("127.0.0.1"), HOST))
    assert host is not None
    assert host.rcode() == dns.rcode.REFUSED


def test_everybody_may_ask_for_the_resolver_itself() -> None:
    """``resolver.pynet`` leads to both of its addresses, so anybody sees whether pynet is asked."""
    for client in (INSIDE, STRANGER, Asker(ip_address("127.0.0.1"), HOST)):
        assert first(asked("resolver.pynet", client=client)) == "169.254.53.53"
    assert first(asked("Resolver.pynet", "AAAA")) == "fd50:796e:6574::53"


def test_unserved_questions_are_refused() -> None:
    """Transfers, ANY, other classes, updates, and questions without recursion each get their error."""
    update = dns.message.make_query("web", "A")
    update.set_opcode(dns.opcode.UPDATE)
    alone = dns.message.make_query("example.com", "A", flags=0)
    chaos = dns.message.make_query("version.bind", "TXT", dns.rdataclass.CH)
    newer = dns.message.make_query("web", "A", use_edns=1)
    asked_all = [dns.message.make_query("web", "ANY"), dns.message.make_query("web", "AXFR"), chaos, alone]
    found = [answer.rcode() for query in (*asked_all, update, newer) if (answer := ANSWERS.answer(query, INSIDE))]
    assert found == [dns.rcode.REFUSED] * 4 + [dns.rcode.NOTIMP, dns.rcode.BADVERS]


def test_garbage_gets_a_format_error_or_nothing() -> None:
    """No bytes raise; a response is never answered, and what cannot be read gets FORMERR with its id."""
    luck = random.Random(20)
    query = dns.message.make_query("web.blue.pynet", "A").to_wire()
    for _ in range(3000):
        bad = bytearray(luck.choice((query, luck.randbytes(luck.randrange(80)))))
        for _ in range(luck.randrange(4) if bad else 0):
            bad[luck.randrange(len(bad))] = luck.randrange(256)
        message = read(bytes(bad))
        if message is not None and not message.flags & dns.flags.QR:
            ANSWERS.answer(message, INSIDE)
    broken = read(query[:-3])
    assert broken is not None
    assert (broken.rcode(), broken.id) == (dns.rcode.FORMERR, int.from_bytes(query[:2]))
    assert read(b"\0\1\x80") is None


def _answer(ttl: int = 100, name: str = "example.com.") -> dns.message.Message:
    answer = dns.message.make_response(dns.message.make_query(name, "A"))
    answer.answer.append(dns.rrset.from_text(answer.question[0].name, ttl, "IN", "A", "192.0.2.1"))
    return answer


def test_the_cache_honours_ttls() -> None:
    """A kept answer says how much of its TTL is left, and is gone afterwards; one without a TTL is never kept."""
    now = [0.0]
    cache, query = Cache(ResolverLimits(), lambda: now[0]), dns.message.make_query("example.com", "A")
    cache.put(Key.of(query), _answer(), 50)
    now[0] = 40.5
    kept = cache.get(Key.of(query))
    assert kept is not None
    assert copied(kept[0], dns.message.make_response(query), kept[1]).answer[0].ttl == 60
    now[0] = 100.5
    assert cache.get(Key.of(query)) is None
    cache.put(Key.of(query), _answer(0), 50)
    assert len(cache) == 0


def test_the_cache_is_bounded() -> None:
    """The answer that was used longest ago goes first, and large ones and failures are not kept."""
    cache = Cache(ResolverLimits(cached=2, cached_size=100))
    keys = [Key.of(dns.message.make_query(f"{name}.example", "A")) for name in "abc"]
    for key in keys[:2]:
        cache.put(key, _answer(), 50)
    cache.get(keys[0])
    cache.put(keys[2], _answer(), 50)
    assert [cache.get(key) is not None for key in keys] == [True, False, True]
    cache.put(keys[1], _answer(), 101)
    failure = _answer()
    failure.set_rcode(dns.rcode.SERVFAIL)
    cache.put(keys[1], failure, 50)
    assert cache.get(keys[1]) is None


def test_one_client_cannot_hold_everything() -> None:
    """A client gets its share and no more, and room comes back."""
    share, one, other = HeldShare(3, 2), ip_address("10.1.0.2"), ip_address("10.1.0.3")
    assert [share.hold(one), share.hold(one), share.hold(one), share.hold(other), share.hold(other)] == [
        True,
        True,
        False,
        True,
        False,
    ]
    share.release(one)
    assert share.hold(other)


def test_servers_follow_the_file_and_are_never_pynet(tmp_path: Path) -> None:
    """The servers are those of resolv.conf, read again after a change, without pynet's own address."""
    file = tmp_path / "resolv.conf"
    servers = HostServers(file)
    assert servers.current() == ()
    file.write_text("nameserver 169.254.53.53\nnameserver 192.0.2.53\nnameserver bad\nsearch x\n")
    assert servers.current() == ["192.0.2.53"]
    file.write_text("nameserver 127.0.0.53\nnameserver fe80::1%eth0\n")
    assert servers.current() == ["127.0.0.53", "fe80::1%eth0"]
