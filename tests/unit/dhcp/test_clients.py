"""All clients of a host: their sockets, moments and errors, on a LAN without a kernel."""

import math
from dataclasses import replace

import pytest

from netlink.arp_probe import ArpLink
from netlink.dhcp_link import TO_ALL, DhcpLink
from plugin.dhcp.agenda import STALE, Agenda
from plugin.dhcp.model import Lease4, NoAddress, NoServer
from plugin.dhcp.runner import DhcpClient
from plugin.dhcp.sockets import Place
from tests.unit.dhcp.dialogue import ADDRESS, IDENTITY, NOW, OTHER, SERVER_MAC, answer, lease
from tests.unit.dhcp.wire import LINK, FakeLan

STRANGER = "02:00:00:00:00:99"


@pytest.fixture
def lan() -> FakeLan:
    """Return a LAN."""
    return FakeLan()


def test_many_clients_share_a_socket(lan: FakeLan) -> None:
    """A hundred clients that ask have one socket, which is closed with the last of them."""
    asked = [lan.ask(replace(IDENTITY, mac=f"02:42:00:00:00:{number:02x}")) for number in range(100)]
    assert lan.sockets == [Place(LINK)]
    for client, _ in asked:
        lan.clients.give_up(client, 5)
    assert (lan.sockets, lan.opened, len(lan.clients), lan.clients.next_moment()) == ([], 1, 0, math.inf)


def test_sockets_follow_the_phase(lan: FakeLan) -> None:
    """While it probes a client hears ARP, and while it waits for T1 nothing; for a renewal it hears both its links."""
    _, done = lan.ask()
    lan.hear(answer("OFFER"))
    lan.hear(answer("ACK"))
    assert lan.sockets == [Place(LINK, "probes")]
    lan.wait(3)
    assert (done.result(), lan.sockets) == (lease(), [])
    lan.keep(done.result(), lambda _: None, "pnh1")
    assert lan.sockets == []
    lan.wait()
    assert sorted(lan.sockets) == [Place(LINK), Place("pnh1", "outgoing")]
    assert lan.sent[-1] == ("REQUEST", SERVER_MAC)


def test_a_broken_link_is_the_answer(lan: FakeLan) -> None:
    """A client that asks on a broken link gets the error at once, and leaves nothing."""
    lan.broken = "send DHCP on link 'eth0': network is down"
    _, done = lan.ask()
    assert str(done.exception(0)) == lan.broken
    assert (len(lan.clients), lan.sockets) == (0, [])


def test_a_kept_lease_survives_a_broken_link(lan: FakeLan) -> None:
    """A lease whose link is broken at T1 is renewed after it works again, with a new socket."""
    heard: list[Lease4 | None] = []
    lan.keep(lease(), heard.append)
    lan.broken = "gone"
    lan.wait(2)
    lan.clients.hear([Place(LINK)])
    lan.broken = ""
    assert (lan.sent, lan.sockets) == ([], [])
    lan.wait()
    lan.hear(answer("ACK"))
    assert [one.address for one in heard if one] == [lease().address]


def test_an_error_of_a_listener_harms_nobody_else(lan: FakeLan) -> None:
    """If the listener of one lease raises, its lease and those of others are renewed all the same."""

    def refuse(_: Lease4 | None) -> None:
        raise RuntimeError("a fault")

    client = lan.keep(lease(), refuse)
    lan.wait()
    lan.hear(answer("ACK"))
    assert client.exchange.lease == lease(taken=int(lan.now))


@pytest.mark.parametrize(
    ("answers", "error", "sent"),
    [
        ([], NoServer, [("DISCOVER", TO_ALL)]),
        (["OFFER"], NoServer, [("REQUEST", TO_ALL), ("RELEASE", TO_ALL)]),
        (["OFFER", "ACK"], NoServer, [("probe", ADDRESS), ("RELEASE", SERVER_MAC)]),
        (["OFFER", "NAK"], NoAddress, [("DISCOVER", TO_ALL), ("REQUEST", TO_ALL)]),
    ],
)
def test_who_waited_long_enough(
    lan: FakeLan, answers: list[str], error: type[Exception], sent: list[tuple[str, str]]
) -> None:
    """Without an answer there is no server, with a refusal no address; what may have been granted is given back."""
    client, done = lan.ask()
    for kind in answers:
        lan.hear(answer(kind))
    lan.clients.give_up(client, 5)
    assert type(done.exception(0)) is error
    assert lan.sent[-2:] == sent
    lan.clients.give_up(client, 5)
    assert (len(lan.clients), lan.sockets) == (0, [])


def test_an_address_of_an_own_container_is_declined(lan: FakeLan) -> None:
    """An address that another own client keeps is declined without a probe, and a stranger's claim changes nothing."""
    kept = lan.keep(replace(lease(), taken=int(NOW)), lambda _: None)
    lan.ask(replace(IDENTITY, mac=STRANGER))
    lan.hear(answer("OFFER"))
    lan.hear(answer("ACK"))
    assert lan.sent[-1] == ("DECLINE", TO_ALL)
    lan.claim(ADDRESS, "02:00:00:00:00:77")
    assert kept.exchange.lease == lease()


def test_a_claim_reaches_the_client_that_probes(lan: FakeLan) -> None:
    """Claims of other addresses are nobody's; that of the probed address leads to the next one."""
    _, done = lan.ask()
    lan.hear(answer("OFFER"))
    lan.hear(answer("ACK"))
    lan.claim(OTHER, STRANGER)
    assert lan.sent[-1] == ("probe", ADDRESS)
    lan.claim(ADDRESS, STRANGER)
    assert lan.sent[-1] == ("DECLINE", TO_ALL)
    assert not done.done()
    assert lan.sockets == []


def test_keeping_twice_and_dropping(lan: FakeLan) -> None:
    """A second keeping takes the place of the first; after a drop nothing is heard, and the release goes out once."""
    first: list[Lease4 | None] = []
    second: list[Lease4 | None] = []
    lan.keep(lease(), first.append)
    lan.keep(lease(), second.append)
    lan.wait()
    lan.hear(answer("ACK"))
    assert (len(first), len(second), len(lan.clients)) == (0, 1, 1)
    lan.clients.drop(LINK, IDENTITY, lease())
    lan.clients.drop(LINK, IDENTITY, None)
    assert [kind for kind, _ in lan.sent] == ["REQUEST", "RELEASE"]
    assert (len(lan.clients), lan.sockets) == (0, [])


def test_the_agenda_forgets_old_moments() -> None:
    """Things come at their last moment, in its order and once; a thousand changes do not pile up."""
    agenda: Agenda[str] = Agenda()
    for moment in range(1000, 0, -1):
        agenda.note("a", moment + 5)
    agenda.note("b", 3)
    agenda.note("c", 1)
    agenda.note("c", math.inf)
    assert len(agenda._heap) <= 2 * 2 + STALE
    assert (agenda.first(), list(agenda.due(10)), agenda.first()) == (3, ["b", "a"], math.inf)


def test_a_stopped_client_answers_at_once() -> None:
    """After ``stop`` there is a sentence for those who ask, and nothing else happens."""
    client = DhcpClient(DhcpLink, ArpLink)
    client.stop()
    with pytest.raises(NoServer, match="shuts down"):
        client.acquire(LINK, IDENTITY, None, None, 0.01)
    client.keep(LINK, IDENTITY, lease(), lambda _: None)
    client.drop(LINK, IDENTITY, release=lease())
    assert client.trouble == ""
