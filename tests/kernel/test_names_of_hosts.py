"""Names of hosts in policies: a real DNS server, real rules, and answers that outlive failures and restarts."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.policy.answers import ResolvedName
from plugin.policy.lookup import Dns
from plugin.policy.upkeep import NamedRules
from plugin.protocol.change_messages import ResetOptions, SetOptions
from plugin.protocol.messages import EndpointRef
from plugin.store.memory import MemoryStore
from tests.kernel.container import Container, sh
from tests.kernel.dns_server import DnsServer
from tests.kernel.hosts import soon
from tests.kernel.pynet import RESOLVER, Pynet, connect
from tests.unit import requests as rq

NAME, OLD, NEW = "files.example", "192.0.2.9", "192.0.2.10"
BOX = f"{2:02x}" * 32
ALLOWED = f"dns:{NAME} tcp/7777"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    """A DNS server that knows the name."""
    server = DnsServer({NAME: [OLD, "2001:db8::9"]})
    yield server
    server.end()


@pytest.fixture
def store() -> MemoryStore:
    """The records, which outlive a pynet."""
    return MemoryStore()


@pytest.fixture
def box(two: tuple[Container, Container]) -> Container:
    """A container that will have a policy, and a machine outside with two addresses that answers on 7777."""
    connect(two[1])
    two[1].sh(f"ip addr add {NEW}/24 dev in0; ip addr add {RESOLVER}/24 dev in0")
    two[1].echo()
    return two[0]


def started(store: MemoryStore, server: DnsServer, folder: Path) -> Pynet:
    """Start a pynet on the records, which asks the server."""
    pynet = Pynet(store, ask_dns=Dns(server.file(folder)))
    pynet.reconciler.recover()
    pynet.named.start(NamedRules(pynet.runtime))
    return pynet


def attach(pynet: Pynet, box: Container) -> EndpointRef:
    """Create a network with both families, and put the container with its policy into it."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    return pynet.attach(box, rq.NETWORK_ID, 2, BOX, egress="deny", allow_out=ALLOWED)


def threads() -> list[str]:
    """Return the threads that ask DNS."""
    return [thread.name for thread in threading.enumerate() if thread.name == "names of hosts"]


def test_a_named_host_is_reached_and_nothing_else(
    store: MemoryStore, server: DnsServer, box: Container, tmp_path: Path
) -> None:
    """Both families and the port of the entry pass, and DNS of the engine's servers; other addresses are refused."""
    pynet = started(store, server, tmp_path)
    assert threads() == []
    attach(pynet, box)

    assert soon(lambda: box.asks(OLD, 7777) != "")
    assert box.asks("2001:db8::9", 7777) != ""
    assert [box.asks(NEW, 7777), box.asks(OLD, 7777, "udp"), box.asks(str(RESOLVER), 7777)] == ["", "", ""]
    assert {str(seen.address) for seen in store.list(ResolvedName)[0].record.addresses} == {OLD, "2001:db8::9"}
    pynet.close()


def test_neither_a_failure_nor_a_restart_closes_what_was_open(
    store: MemoryStore, server: DnsServer, box: Container, tmp_path: Path
) -> None:
    """The next pynet opens what the last one knew, before it asks; a new answer adds to it."""
    first = started(store, server, tmp_path)
    attach(first, box)
    assert soon(lambda: box.asks(OLD, 7777) != "")
    first.close()

    server.broken = True
    sh("nft flush ruleset")
    second = started(store, server, tmp_path)
    assert box.asks(OLD, 7777) != ""
    assert soon(lambda: len(server.questions) > 2)
    assert box.asks(OLD, 7777) != ""
    second.close()

    server.broken, server.names[NAME] = False, [NEW]
    third = started(store, server, tmp_path)
    assert soon(lambda: box.asks(NEW, 7777) != "")
    assert box.asks(OLD, 7777) != ""
    third.close()


def test_names_follow_a_change_and_go_with_the_container(
    store: MemoryStore, server: DnsServer, box: Container, tmp_path: Path
) -> None:
    """A name that is set on a running container opens it; without names, and without the container, nothing stays."""
    pynet = started(store, server, tmp_path)
    pynet.driver.create_network(rq.network())
    reference = pynet.attach(box, rq.NETWORK_ID, 2, BOX, egress="deny")
    assert box.asks(OLD, 7777) == ""
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, BOX, {"allow_out": ALLOWED}))
    assert soon(lambda: box.asks(OLD, 7777) != "")

    pynet.live.reset_options(ResetOptions(rq.NETWORK_ID, BOX, ("allow_out",)))
    assert box.asks(OLD, 7777) == ""
    assert pynet.firewall.owners(f"names of {BOX}") == {}
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, BOX, {"allow_out": ALLOWED}))
    pynet.driver.delete_endpoint(reference)
    assert pynet.firewall.owners(f"names of {BOX}") == {}
    pynet.close()


def test_a_named_host_of_the_lan_is_reached(
    store: MemoryStore, server: DnsServer, box: Container, tmp_path: Path
) -> None:
    """On a bridge of the user's nothing is routed, and names count at the port."""
    sh("ip link add br0 type bridge; ip link set out0 master br0; ip link set br0 up; ip addr flush dev out0")
    pynet = started(store, server, tmp_path)
    options = {"pynet.mode": "lan", "parent": "br0"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "192.0.2.1/24", options=options))
    pynet.attach(box, rq.NETWORK_ID, 2, BOX, egress="deny", allow_out=ALLOWED)

    assert soon(lambda: box.asks(OLD, 7777) == "192.0.2.2")
    assert box.asks(NEW, 7777) == ""
    pynet.close()
