"""The state machine of a client: messages, claims and moments in, actions out."""

import math
from dataclasses import replace
from typing import Any

import pytest

from netlink import dhcp4
from plugin.dhcp.exchange import FIRST, PROBES, Exchange, Phase, resume
from plugin.dhcp.model import FOREVER, Lease4
from tests.unit.dhcp.dialogue import (
    ADDRESS,
    IDENTITY,
    MAC,
    NOW,
    OTHER,
    SERVER_MAC,
    Dialogue,
    answer,
    four,
    lease,
    packed,
)

STRANGER = "02:00:00:00:00:99"


def test_a_new_client_gets_a_lease() -> None:
    """Four messages and three probes lead to a lease, as of the moment of the request."""
    talk = Dialogue()
    talk.hear(answer("OFFER"))
    talk.now += 0.3
    talk.hear(answer("ACK")).wait(PROBES)
    assert talk.said() == [
        "DISCOVER",
        f"REQUEST {ADDRESS}",
        *[f"probe {ADDRESS}"] * PROBES,
        f"got {ADDRESS}/24 for 1000",
    ]
    assert talk.state.lease == lease()
    assert talk.state.deadline == pytest.approx(NOW + 500 * 0.975)


def test_questions_are_repeated_with_growing_pauses() -> None:
    """Without an answer the pauses double from half a second up to 32 s, and the xid stays."""
    talk, xid, pauses = Dialogue(), Dialogue().state.xid, []
    for _ in range(9):
        pauses.append(talk.state.deadline - talk.now)
        talk.wait()
    assert pauses == pytest.approx([FIRST * 2**step for step in (0, 1, 2, 3, 4, 5, 6, 6, 6)], abs=1e-3)
    assert (talk.said(), talk.state.xid) == (["DISCOVER"] * 10, xid)


@pytest.mark.parametrize(
    "fields",
    [
        {"xid": 1},
        {"mac": STRANGER},
        {"kind": dhcp4.ACK},
        {"kind": dhcp4.DISCOVER},
        {"given": dhcp4.NOBODY},
        {"options": {}},
    ],
)
def test_messages_that_are_no_offers(fields: dict[str, Any]) -> None:
    """A client that waits for offers does not react to messages for others, of other kinds, or without a sense."""
    talk = Dialogue()
    talk.said()
    assert talk.hear(answer("OFFER"), **fields).said() == []
    assert talk.hear(answer("OFFER")).said() == [f"REQUEST {ADDRESS}"]


def test_the_first_of_several_offers_is_taken() -> None:
    """Later offers, and grants of other servers or of other addresses, change nothing."""
    talk = Dialogue().hear(answer("OFFER")).hear(answer("OFFER", OTHER, SERVER=packed("192.168.1.2")))
    talk.hear(answer("ACK", OTHER)).hear(answer("ACK", SERVER=packed("192.168.1.2")))
    assert talk.said() == ["DISCOVER", f"REQUEST {ADDRESS}"]
    assert talk.hear(answer("ACK")).said() == [f"probe {ADDRESS}"]


def test_a_wished_address() -> None:
    """A client with a wish says so, waits for an offer of it, and refuses every other one."""
    talk = Dialogue(wish=OTHER).hear(answer("OFFER"))
    assert talk.said() == [f"DISCOVER {OTHER}"]
    assert talk.hear(answer("OFFER", OTHER)).said() == [f"REQUEST {OTHER}"]
    talk = Dialogue(wish=OTHER).hear(answer("OFFER")).wait(2)
    assert talk.said()[-1] == "refused"
    assert talk.state.trouble == f"server 192.168.1.1 gives '{ADDRESS}' instead of '{OTHER}'"


def test_a_server_that_does_not_keep_its_offer() -> None:
    """After four requests in vain another server is preferred, and the same is asked again if there is no other."""
    talk = Dialogue().hear(answer("OFFER")).wait(4)
    assert talk.said() == ["DISCOVER", *[f"REQUEST {ADDRESS}"] * 4, "DISCOVER"]
    talk.hear(answer("OFFER"))
    assert talk.said() == []
    other = Dialogue(state=talk.state).hear(answer("OFFER", OTHER, SERVER=packed("192.168.1.2")))
    assert other.said() == [f"REQUEST {OTHER}"]
    assert talk.wait().said() == [f"REQUEST {ADDRESS}"]


def test_a_refused_offer() -> None:
    """A NAK of the asked server leads to a new question, that of another server to nothing."""
    talk = Dialogue().hear(answer("OFFER")).hear(answer("NAK", SERVER=packed("192.168.1.2")))
    assert talk.state.phase is Phase.REQUESTING
    talk.hear(answer("NAK", TEXT=b"no"))
    assert talk.state.trouble == f"server 192.168.1.1 refuses '{ADDRESS}': no"
    assert talk.wait().said()[-1] == "DISCOVER"


def test_a_conflict_is_declined() -> None:
    """An address that another machine has is declined and never taken; the next one is."""
    talk = Dialogue().hear(answer("OFFER")).hear(answer("ACK")).claim(OTHER, STRANGER).claim(ADDRESS, MAC)
    assert talk.said()[-1] == f"probe {ADDRESS}"
    assert talk.claim(ADDRESS, STRANGER).said() == [f"DECLINE {ADDRESS}"]
    assert talk.state.trouble == f"server 192.168.1.1 gives '{ADDRESS}', which the machine with MAC {STRANGER} has"
    assert talk.wait().hear(answer("OFFER")).said() == ["DISCOVER"]
    assert (
        talk.hear(answer("OFFER", OTHER)).hear(answer("ACK", OTHER)).wait(PROBES).said()[-1]
        == f"got {OTHER}/24 for 1000"
    )


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (["ACK"], [f"probe {ADDRESS}"]),
        (["NAK", ""], ["DISCOVER"]),
        (["NAK", "ACK"], [f"probe {ADDRESS}"]),
        (["", "", ""], [f"REQUEST {ADDRESS}", f"REQUEST {ADDRESS}", f"DISCOVER {ADDRESS}"]),
    ],
)
def test_a_known_lease_is_asked_for_again(events: list[str], said: list[str]) -> None:
    """INIT-REBOOT: granted, refused, refused by one server and granted by another, or not answered."""
    talk = Dialogue(known=lease(taken=NOW - 600))
    assert talk.said() == [f"REQUEST {ADDRESS}"]
    for event in events:
        _ = talk.hear(answer(event)) if event else talk.wait()
    assert talk.said() == said


@pytest.mark.parametrize(
    ("wish", "known", "first"),
    [
        ("", lease(taken=NOW - 2000), f"DISCOVER {ADDRESS}"),
        (OTHER, lease(), f"DISCOVER {OTHER}"),
        (ADDRESS, lease(), f"REQUEST {ADDRESS}"),
    ],
)
def test_known_leases_and_wishes(wish: str, known: Lease4, first: str) -> None:
    """One that has ended is wished for, and one that is not the wished one is forgotten."""
    assert Dialogue(wish, known).said() == [first]


def test_renewal_from_the_server() -> None:
    """At T1 the server alone is asked, and again after half of the time until T2; the grant starts a new lease."""
    talk = Dialogue().bound()
    assert talk.wait().said() == [f"REQUEST {ADDRESS} to 192.168.1.1"]
    assert talk.state.deadline == pytest.approx(talk.now + (NOW + 875 - talk.now) / 2)
    asked = talk.wait().now
    talk.hear(answer("ACK", LASTS=four(400), DNS=packed("192.168.1.3")))
    assert talk.said() == [f"REQUEST {ADDRESS} to 192.168.1.1", f"got {ADDRESS}/24 for 400"]
    assert talk.state.deadline == pytest.approx(int(asked) + 200 * 0.975)


def test_a_server_that_is_away() -> None:
    """From T2 on every server is asked; at the end the lease is lost, and its address wished for without an end."""
    talk = Dialogue().bound()
    while talk.state.phase is not Phase.SELECTING:
        assert talk.state.deadline > talk.now
        talk.wait()
    said = talk.said()
    assert talk.now == NOW + 1000
    assert (said[0], said[-3:]) == (
        f"REQUEST {ADDRESS} to 192.168.1.1",
        [f"REQUEST {ADDRESS}", "lost", f"DISCOVER {ADDRESS}"],
    )
    assert len(said) < 15
    assert talk.hear(answer("OFFER")).hear(answer("ACK")).wait(PROBES).said()[-1] == f"got {ADDRESS}/24 for 1000"


def test_another_server_takes_over() -> None:
    """From T2 on another server may grant the lease, and is asked from then on."""
    talk = Dialogue().bound().wait()
    assert talk.hear(answer("ACK", SERVER=packed("192.168.1.2"))).said()[1:] == []
    while talk.state.phase is not Phase.REBINDING:
        talk.wait()
    talk.hear(answer("ACK", SERVER=packed("192.168.1.2")), STRANGER)
    assert talk.wait().said()[-1] == f"REQUEST {ADDRESS} to 192.168.1.2"


@pytest.mark.parametrize("moments", [1, 9])
def test_a_refused_renewal(moments: int) -> None:
    """A NAK ends the lease, and any address is asked for."""
    talk = Dialogue().bound()
    while talk.state.phase is not (Phase.RENEWING if moments == 1 else Phase.REBINDING):
        talk.wait()
    talk.said()
    talk.hear(answer("NAK"))
    if moments > 1:
        assert talk.said() == []
        talk.wait()
    assert talk.said() == ["lost", "DISCOVER"]


def test_grants_that_lie_during_renewal() -> None:
    """A grant of another address, or one without a sense, renews nothing."""
    talk = Dialogue().bound().wait()
    talk.hear(answer("ACK", OTHER)).hear(answer("ACK", LASTS=four(0))).hear(answer("NAK", SERVER=packed("192.168.1.9")))
    assert talk.said() == [f"REQUEST {ADDRESS} to 192.168.1.1"]
    assert talk.state.phase is Phase.RENEWING


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (lease(taken=NOW - 100), [f"REQUEST {ADDRESS}"]),
        (lease(taken=NOW - 2000), ["lost", f"DISCOVER {ADDRESS}"]),
        (lease(taken=NOW - 5000, lasts=FOREVER), [f"REQUEST {ADDRESS}"]),
    ],
)
def test_a_lease_of_an_earlier_process(known: Lease4, said: list[str]) -> None:
    """It is renewed within three seconds from any server, or lost if it has ended meanwhile."""
    talk = Dialogue(state=Exchange(IDENTITY, lambda: 0.5))
    talk._take(resume(talk.state, talk.now, known))
    while len(talk.actions) < len(said):
        assert talk.state.deadline <= NOW + 3
        talk.wait()
    assert talk.said() == said


def test_an_endless_lease_is_never_renewed() -> None:
    """A lease without an end asks for nothing."""
    talk = Dialogue().hear(answer("OFFER", LASTS=four(FOREVER))).hear(answer("ACK", LASTS=four(FOREVER))).wait(PROBES)
    assert (talk.state.phase, talk.state.deadline) == (Phase.BOUND, math.inf)


def test_a_machine_that_slept() -> None:
    """If the machine slept past the end of the lease, no request for more time is sent."""
    talk = Dialogue(state=Exchange(IDENTITY, lambda: 0.5, server_mac=SERVER_MAC))
    talk._take(resume(talk.state, talk.now, lease()))
    talk.state = replace(talk.state, deadline=NOW + 5000)
    assert talk.wait().said() == ["lost", f"DISCOVER {ADDRESS}"]
