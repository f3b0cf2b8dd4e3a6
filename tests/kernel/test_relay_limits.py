"""The limits of the relay per port and client, in number and time."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from time import sleep

import pytest

from netlink.port_sockets import PortSockets
from netlink.relay import Relay
from netlink.relay_limits import Limits, Share
from tests.kernel.container import sh
from tests.kernel.relayed import MOMENT, PATIENCE, Stage, answers, broken_off, refused

MANY = 100
ONE, OTHER, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"  # clients


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Return what is closed after the test."""
    stage = Stage()
    yield stage
    stage.close()


def test_a_client_with_many_idle_connections_stops_nobody(stage: Stage) -> None:
    """With the default limits, a client with many idle connections blocks no other, on any port."""
    relay = stage.relay(Limits())
    front, another = stage.front(relay), stage.front(relay)
    idle = [stage.client(front, ONE) for _ in range(256 + 64)]
    assert all(refused(front, ONE) for _ in range(100))

    assert answers(stage.client(front, OTHER))
    assert answers(stage.client(another, OTHER))
    assert all(answers(connection) for connection in idle[:256])


def test_a_client_waits_for_its_own_connections_to_end(stage: Stage) -> None:
    """A client at its limit waits for its own connections to end, others are served, and the excess is refused."""
    relay = stage.relay(Limits(connections=Share(MANY, MANY, client=2), waiting=1))
    front, another = stage.front(relay), stage.front(relay)
    first, second = stage.client(front, ONE), stage.client(another, ONE)
    assert (answers(first), answers(second)) == (True, True)
    waits = stage.client(front, ONE)
    assert not answers(waits, MOMENT)
    assert refused(front, ONE)
    assert answers(stage.client(front, OTHER))
    second.close()

    waits.settimeout(PATIENCE)
    assert waits.recv(1) == b"x"


@pytest.mark.parametrize(("share", "others"), [(Share(MANY, 2, MANY), True), (Share(2, MANY, MANY), False)])
def test_a_full_port_lets_connections_wait(stage: Stage, share: Share, others: bool) -> None:
    """On a full port connections wait in the backlog; other ports go on unless the whole relay is full."""
    relay = stage.relay(Limits(connections=share))
    front, another = stage.front(relay), stage.front(relay)
    served = [stage.client(front, client) for client in (ONE, OTHER)]
    assert all(answers(connection) for connection in served)
    waits, elsewhere = stage.client(front, THIRD), stage.client(another, THIRD)
    assert (answers(waits, MOMENT), answers(elsewhere, MOMENT)) == (False, others)
    for connection in served:
        connection.close()

    for connection in (waits,) if others else (waits, elsewhere):
        connection.settimeout(PATIENCE)
        assert connection.recv(1) == b"x"


def test_a_removed_port_frees_what_it_used(stage: Stage) -> None:
    """A removed port frees its connections, waiting ones too, so that another port goes on."""
    relay = stage.relay(Limits(connections=Share(2, MANY, client=1)))
    gone, stays = stage.front(relay), stage.front(relay)
    used, waits = stage.client(gone, ONE), stage.client(gone, ONE)
    assert (answers(used), answers(waits, MOMENT)) == (True, False)
    late = stage.client(stays, OTHER)
    assert not answers(late, MOMENT)
    relay.remove(gone)

    assert (broken_off(used), broken_off(waits)) == (True, True)
    late.settimeout(PATIENCE)
    assert late.recv(1) == b"x"


def test_an_idle_connection_ends_and_a_used_one_does_not(stage: Stage) -> None:
    """An idle connection ends after the limit, counted from its last data; a used one does not."""
    front = stage.front(stage.relay(Limits(idle=1.0)))
    idle, used = stage.client(front), stage.client(front)
    assert answers(idle)
    for _ in range(5):
        sleep(MOMENT)
        assert answers(used)
    assert broken_off(idle)


def test_a_half_closed_connection_has_less_time(stage: Stage) -> None:
    """A target that never answers a client that is through with writing does not hold it for two hours."""
    with socket.create_server((OTHER, 0)) as silent:
        client = stage.client(stage.front(stage.relay(Limits(half_closed=MOMENT)), silent.getsockname()))
        client.shutdown(socket.SHUT_WR)

        assert broken_off(client)


def test_a_target_that_does_not_answer_is_given_up(stage: Stage) -> None:
    """A target that does not answer the SYN is given up after the limit."""
    sockets = PortSockets(Relay())
    deaf = sockets.hold(socket.IPPROTO_TCP, IPv4Address(ONE), 0)

    assert broken_off(stage.client(stage.front(stage.relay(Limits(connect=MOMENT)), (ONE, deaf.port))))
    sockets.release([deaf])


def test_a_client_that_vanished_holds_nothing(stage: Stage) -> None:
    """Keepalive ends the connections of a vanished client long before they count as idle."""
    client = stage.client(stage.front(stage.relay(Limits(keep_alive=1, probes=1))), ONE)
    assert answers(client)
    sh("nft 'add table ip t; add chain ip t c { type filter hook input priority 0; }'")
    sh(f"nft 'add rule ip t c ip saddr {ONE} drop'")

    assert stage.echo.over.wait(PATIENCE)


class Datagrams:
    """A UDP target behind two ports; says from which socket of the relay it hears a client."""

    def __init__(self, stage: Stage, limits: Limits) -> None:
        self._target = stage.datagrams()
        self._fronts = [stage.datagrams(), stage.datagrams()]
        stage.relay(limits).add(*((front, self._target.getsockname()) for front in self._fronts))

    def send(self, client: socket.socket, front: int = 0) -> object:
        """Send a datagram to the first or the second port."""
        client.sendto(b"x", self._fronts[front].getsockname())
        return self._target.recvfrom(9)[1]


@pytest.mark.parametrize(
    ("share", "oldest"), [(Share(4, MANY, MANY), 0), (Share(MANY, 3, MANY), 1), (Share(MANY, MANY, 2), 2)]
)
def test_the_udp_flow_that_is_idle_for_longest_goes(stage: Stage, share: Share, oldest: int) -> None:
    """If a UDP limit is reached, the flow that was idle longest ends; the others keep their sockets."""
    udp = Datagrams(stage, Limits(flows=share))
    flows = [(stage.datagrams(OTHER), 1), *((stage.datagrams(client), 0) for client in (THIRD, ONE, ONE))]
    for flow in reversed(flows):
        udp.send(*flow)
    before = [udp.send(*flow) for flow in flows]
    udp.send(stage.datagrams(ONE))

    kept = [number for number in range(len(flows)) if number != oldest]
    assert [udp.send(*flows[number]) for number in kept] == [before[number] for number in kept]
    assert udp.send(*flows[oldest]) != before[oldest]


def test_an_idle_udp_flow_goes_and_a_used_one_does_not(stage: Stage) -> None:
    """An idle UDP flow ends, and a used one does not."""
    udp = Datagrams(stage, Limits(flow_idle=1.0))
    idle, used = stage.datagrams(), stage.datagrams()
    before = udp.send(idle), udp.send(used)
    for _ in range(5):
        sleep(MOMENT)
        assert udp.send(used) == before[1]

    assert udp.send(idle) != before[0]
