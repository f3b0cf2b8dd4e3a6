"""Many notifications: pynet's own changes overrun nobody, and lost ones lead to a survey."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from queue import SimpleQueue
from threading import Event

import pytest

from netlink.kernel import Kernel
from netlink.monitor import LINKS, LOST, NAMED, OWN, SWITCH
from netlink.own_changes import GONE, MADE, SET
from plugin.background.loop import Loop
from plugin.protocol.messages import CreateEndpoint, Interface
from tests.kernel.container import sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

NAME = {"com.docker.network.bridge.name": "br-mine"}
UNDONE = {
    "down": "ip link set br-mine down",
    "deleted": "ip link del br-mine",
    "address removed": "ip addr del 10.9.0.1/24 dev br-mine",
    "forwarding of the bridge off": "sysctl -qw net.ipv4.conf.br-mine.forwarding=0",
}


def heard_until_marker(take: Callable[[], frozenset[str]]) -> set[str]:
    """Return what was heard until the word about another's bridge, which is made now and thus told last."""
    sh("ip link add marker type bridge")
    heard: set[str] = set()
    while LINKS not in heard:
        heard |= take()
    return heard


def attach(pynet: Pynet, first: int, last: int) -> None:
    """Make endpoints, by the numbers of their addresses."""
    for number in range(first, last):
        interface = Interface(IPv4Interface(f"10.9.{number // 256}.{number % 256}/16"))
        pynet.driver.create_endpoint(CreateEndpoint(rq.NETWORK_ID, f"{number:04x}" * 16, interface))


@pytest.fixture
def busy() -> Pynet:
    """A pynet that knows for long what it did, on a machine that may be slow, with a network."""
    pynet = Pynet(memory=dict.fromkeys((MADE, GONE, SET), 60.0))
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/16"))
    return pynet


def test_own_creations_fit_while_nobody_reads(busy: Pynet) -> None:
    """Notifications of pynet's own creations fit into the buffer while nobody reads."""
    with busy.monitor() as bell:
        attach(busy, 2, 42)
        assert OWN not in heard_until_marker(lambda: bell.wait(5))
    busy.close()


def test_a_burst_of_own_creations_makes_nobody_look(busy: Pynet) -> None:
    """A burst of own creations causes no survey, as the watcher's thread reads notifications at once."""
    heard, ended = SimpleQueue[frozenset[str]](), Event()
    with busy.monitor() as bell:
        watcher = Loop("watcher", lambda: None if ended.is_set() else bell.wait(1), heard.put).start()
        attach(busy, 2, 322)
        assert OWN not in heard_until_marker(heard.get)
        ended.set()
        watcher.join(10)
    busy.close()


def test_lost_word_leads_to_a_look_and_hearing_goes_on(pynet: Pynet) -> None:
    """Notifications that overrun the buffer lead to a survey, and later ones are heard as before."""
    with pynet.monitor() as bell:
        bell._links.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        sh("for n in $(seq 20); do ip link add other$n type veth peer name peer$n; done")
        assert bell.wait(5) == {LINKS, OWN, LOST}
        assert heard_until_marker(lambda: bell.wait(5)) == {LINKS}


@pytest.mark.parametrize("adopted", [True, False])
@pytest.mark.parametrize("harm", UNDONE)
def test_a_bridge_with_a_name_of_its_users_is_heard(pynet: Pynet, harm: str, adopted: bool) -> None:
    """Changes by others to a bridge with a user's name are noticed at once, whoever made the bridge."""
    if adopted:
        sh("ip link add br-mine type bridge")
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", options=NAME))
    with pynet.monitor() as bell:
        sh(UNDONE[harm])
        assert {OWN, NAMED + "br-mine"} <= heard_until_marker(lambda: bell.wait(5))


def test_bridges_of_others_are_not_taken_for_own(pynet: Pynet) -> None:
    """Bridges of others, such as Docker's, cause no survey when they are made, changed or removed."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", options=NAME))
    with pynet.monitor() as bell:
        sh("ip link add lan type bridge; ip addr add 10.1.0.1/24 dev lan; ip link set lan up; ip link set lan down")
        sh("ip addr del 10.1.0.1/24 dev lan; ip link del lan")
        assert heard_until_marker(lambda: bell.wait(5)) == {LINKS}


def test_forwarding_is_heard_once_and_not_for_each_bridge(pynet: Pynet) -> None:
    """Forwarding of the host is heard also just after pynet turned it on; the kernel's words about bridges are not."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    with pynet.monitor() as bell:
        sh("sysctl -qw net.ipv4.ip_forward=0")
        assert heard_until_marker(lambda: bell.wait(5)) == {LINKS, SWITCH}
        pynet.reconciler.look_at_host(bridges=False)
        sh("sysctl -qw net.ipv4.ip_forward=0")
        assert SWITCH in bell.wait(5)


def test_lost_words_about_settings_lead_to_no_survey(pynet: Pynet) -> None:
    """Forwarding of a host with many links is heard, even if the kernel has no room for a word about each."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    sh("for n in $(seq 50); do ip link add other$n type veth peer name peer$n; done")
    with pynet.monitor() as bell:
        bell._settings.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        sh("sysctl -qw net.ipv4.ip_forward=0")
        assert heard_until_marker(lambda: bell.wait(5)) == {LINKS, SWITCH}


@contextmanager
def coming_and_going(name: str) -> Iterator[None]:
    """Let a bridge come and go without a pause."""
    changes = f"link add {name} type bridge\nlink del {name}"
    with (
        subprocess.Popen(["yes", changes], stdout=subprocess.PIPE) as source,
        subprocess.Popen(["ip", "-batch", "-"], stdin=source.stdout) as maker,
    ):
        try:
            yield
        finally:
            maker.kill()
            source.kill()


def test_links_that_stay_are_listed_while_others_come_and_go() -> None:
    """Interrupted listings neither fail nor miss a link that is there all the time."""
    sh("for n in $(seq 1000); do echo link add stays$n type bridge; done | ip -batch -")
    with coming_and_going("goes1"), coming_and_going("goes2"):
        listings = [[link.name for link in Kernel().links()] for _ in range(3)]

    for names in listings:
        assert len(names) == len(set(names))
        assert len([name for name in names if name.startswith("stays")]) == 1000
