"""The resolver on a real kernel: containers ask at the gateway and at the fixed address, and nobody else can."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.client.serving import ask
from cli.settings import admin_place
from netlink.monitor import SWITCH
from netlink.nftables import Nftables, open_runner
from plugin.doctor.facts import Facts
from plugin.doctor.firewalls import other_firewalls
from plugin.doctor.resolver import Inside, ask_inside, lost_addresses
from plugin.doctor.walls import walls
from plugin.model.records import Network
from plugin.model.resolver_place import PORT
from plugin.resolver.counts import QuestionCounts
from plugin.resolver.egress import Egress
from plugin.resolver.server import Server
from plugin.resolver.upkeep import Resolver
from tests.kernel.container import Container, sh
from tests.kernel.dns_server import LOOPBACK, DnsServer
from tests.kernel.hosts import soon
from tests.kernel.pynet import Pynet, connect
from tests.kernel.served import Served
from tests.unit import requests as rq
from tests.unit.fake_zone import FakeZone

# The socket of a thread that has ended goes with the thread, and Python warns of that.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ASKER, FIXED, GATEWAY, OUTSIDE = str(Path(__file__).with_name("asker.py")), "169.254.53.53", "10.9.0.1", "192.0.2.2"
PLACES = [FIXED, "fd50:796e:6574::53"]
ZONE = FakeZone(rq.NETWORK_ID, {"two": ["10.9.0.3", "fd00:9::3"]}, ["10.9.0.2", "fd00:9::2"])


class Resolved(Pynet):
    """A pynet whose zone is that of the test."""

    def __init__(self) -> None:
        super().__init__(servers=[LOOPBACK])
        firewall = self.firewall

        def make(counts: QuestionCounts) -> Server:
            return Server(ZONE, lambda: [LOOPBACK], firewall.owns, Egress(self.store), counts=counts)

        self.resolver = Resolver(self.store, self.runtime.places, make).start()

    def create(self, *gateways: str, internal: bool = False, **options: str) -> None:
        """Create a network with names."""
        chosen = {f"pynet.{key}": value for key, value in {"dns": "on", **options}.items()}
        request = rq.network(rq.NETWORK_ID, *gateways, internal=internal, options=chosen)
        self.driver.create_network(request)
        self.resolver.expect(self.store.list(Network)[0].record)
        assert soon(serves)


@pytest.fixture
def server() -> Iterator[DnsServer]:
    """The server of the host."""
    server = DnsServer({"example.com": ["192.0.2.80"]})
    yield server
    server.end()


@pytest.fixture
def named(server: DnsServer) -> Iterator[Resolved]:
    """A pynet with a resolver that asks the server of the host."""
    del server
    pynet = Resolved()
    yield pynet
    pynet.end()
    assert soon(lambda: not threads() and FIXED not in sh("ip addr show dev lo"))
    pynet.close()


def threads() -> list[str]:
    """Return the threads of the resolver."""
    return [one.name for one in threading.enumerate() if one.name in {"resolver", "networks with names"}]


def answers(box: Container | None, *questions: str) -> list[str]:
    """Ask "SERVER NAME TYPE [udp|tcp [SECONDS]]" from a container, or from the host itself, in one process."""
    inside = ["nsenter", "-n", "-t", str(box.pid), "--"] if box else []
    command = [*inside, sys.executable, ASKER, *questions]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()


def asks(box: Container | None, server: str, name: str) -> str:
    """Ask for an IPv4 address by UDP."""
    return answers(box, f"{server} {name} A")[0]


def test_containers_ask_at_both_addresses(named: Resolved, two: tuple[Container, Container]) -> None:
    """Names of containers and of others are answered by UDP and TCP, at the gateways and at the fixed address."""
    named.create("10.9.0.1/24", "fd00:9::1/64")
    named.attach(two[0], rq.NETWORK_ID, 2)
    for name, address in (("two", "10.9.0.3"), ("example.com", "192.0.2.80")):
        ways = [f"{server} {name} A {how}" for server in (GATEWAY, FIXED, "fd00:9::1") for how in ("udp", "tcp")]
        assert answers(two[0], *ways) == [f"NOERROR {address}"] * len(ways)
    others = ("two AAAA", "3.0.9.10.in-addr.arpa PTR", "none.blue.pynet A")
    assert answers(two[0], *(f"{FIXED} {one}" for one in others)) == ["NOERROR fd00:9::3", "NOERROR two.", "NXDOMAIN"]
    report = named.resolver.report()
    assert report.questions == {"own": 9, "cached": 5, "forwarded": 1, "refused": 0, "failed": 0}
    assert (report.networks, [str(one) for one in report.addresses], report.trouble) == (1, PLACES, "")


def test_only_containers_are_answered(named: Resolved, two: tuple[Container, Container]) -> None:
    """From outside nobody reaches the port, by no address; the host may ask, but not for others' names."""
    connect(two[1])
    named.create()
    named.attach(two[0], rq.NETWORK_ID, 2)
    two[1].sh(f"ip route replace {FIXED} via 192.0.2.1; ip route replace 10.9.0.0/24 via 192.0.2.1")
    for command in (f"{FIXED} {PORT}", f"{FIXED} 53", f"{GATEWAY} {PORT}", f"192.0.2.1 {PORT}"):
        address, port = command.split()
        assert two[1].asks(address, int(port)) == ""
    assert answers(two[1], f"{FIXED} two A udp 1") == ["Timeout"]
    assert asks(None, FIXED, "example.com") == "REFUSED"


def test_an_address_that_somebody_took_comes_back(named: Resolved, two: tuple[Container, Container]) -> None:
    """The kernel tells that the fixed address is gone, a look gives it again, and containers ask as before."""
    named.create()
    named.attach(two[0], rq.NETWORK_ID, 2)
    with named.monitor() as bell:
        sh(f"ip addr del {FIXED}/32 dev lo")
        assert SWITCH in bell.wait(5)
    assert [found.kind for found in named.dry_run.look()] == ["ResolverAddressGone"]
    named.reconciler.look_at_host(bridges=False)
    assert asks(two[0], FIXED, "two") == "NOERROR 10.9.0.3"
    assert named.reconciler.status().repairs == {"ResolverAddressGone": 1}


def test_an_internal_network_asks_its_gateway(named: Resolved, two: tuple[Container, Container]) -> None:
    """Without a way out, the gateway address answers; the rules come back if they are flushed."""
    named.create(internal=True)
    named.attach(two[0], rq.NETWORK_ID, 2)
    assert asks(two[0], GATEWAY, "two") == "NOERROR 10.9.0.3"
    sh("nft flush ruleset")
    named.firewall.heal()
    assert asks(two[0], GATEWAY, "two") == "NOERROR 10.9.0.3"


def test_a_policy_keeps_other_names_in(named: Resolved, server: DnsServer, two: tuple[Container, Container]) -> None:
    """With egress=deny, names of containers are answered, others only if the policy has them: DNS carries data."""
    named.create()
    named.attach(two[0], rq.NETWORK_ID, 2, egress="deny", allow_out="dns:example.com tcp/443")
    found = answers(two[0], *(f"{FIXED} {name} A" for name in ("two", "example.com", "secret.example.org")))
    assert found == ["NOERROR 10.9.0.3", "NOERROR 192.0.2.80", "REFUSED"]
    assert "secret.example.org" not in server.questions


def test_hijack_takes_questions_to_other_servers(named: Resolved, two: tuple[Container, Container]) -> None:
    """With hijack a question to a server outside comes to the resolver; with "on" it goes where it should."""
    named.create(dns="hijack")
    named.attach(two[0], rq.NETWORK_ID, 2)
    assert asks(two[0], OUTSIDE, "two") == "NOERROR 10.9.0.3"


def test_a_question_fails_at_once_while_nobody_serves(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """With pynet away the kernel refuses questions at once, so that a client asks its next server without waiting."""
    connect(two[1])
    sh("ip route add default via 192.0.2.9")
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, options={"pynet.dns": "on"}))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    assert answers(two[0], f"{FIXED} two A", f"{GATEWAY} two A") == ["ConnectionRefusedError"] * 2
    sh(f"ip addr add {FIXED}/32 dev lo")
    assert answers(two[0], f"{FIXED} two A", f"{GATEWAY} two A") == ["ConnectionRefusedError"] * 2


def test_a_taken_port_is_said_and_tried_again(two: tuple[Container, Container]) -> None:
    """While another process has the port, the trouble is a sentence; when it ends, names are resolved."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", PORT))
        pynet = Resolved()
        pynet.driver.create_network(rq.network(rq.NETWORK_ID, options={"pynet.dns": "on"}))
        pynet.resolver.expect(pynet.store.list(Network)[0].record)
        assert soon(lambda: "Address already in use" in pynet.resolver.trouble)
        assert "tries again" in pynet.resolver.trouble
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    assert soon(lambda: asks(two[0], FIXED, "two") == "NOERROR 10.9.0.3")
    assert pynet.resolver.trouble == ""
    pynet.end()
    assert soon(lambda: not threads())
    pynet.close()


def test_an_iptables_policy_of_drop_lets_containers_ask(named: Resolved, two: tuple[Container, Container]) -> None:
    """With INPUT set to DROP, as by ufw, pynet accepts questions there, and nothing else; no accept is left."""
    sh("iptables -A INPUT -i lo -j ACCEPT; iptables -P INPUT DROP")
    sh("ip6tables -A INPUT -p icmpv6 -j ACCEPT; ip6tables -P INPUT DROP")
    before = sh("iptables -S; ip6tables -S")
    named.create("10.9.0.1/24", "fd00:9::1/64")
    named.attach(two[0], rq.NETWORK_ID, 2)
    ways = (f"{FIXED} two A tcp", f"{GATEWAY} two A", "fd00:9::1 two A", "fd00:9::1 two A tcp")
    assert answers(two[0], *ways) == ["NOERROR 10.9.0.3"] * len(ways)
    assert not two[0].reaches(GATEWAY)
    sh("iptables -D INPUT 1; iptables -D INPUT 1")
    named.firewall.heal()
    assert asks(two[0], FIXED, "two") == "NOERROR 10.9.0.3"
    named.end()
    assert sh("iptables -S; ip6tables -S") == before


def test_the_doctor_says_how_containers_may_ask(named: Resolved, two: tuple[Container, Container]) -> None:
    """A chain of the user's own that drops is found, and the lines that the doctor prints let the questions pass."""
    sh("nft 'table inet mine { chain input { type filter hook input priority 0; policy drop; iif lo accept; }; }'")
    named.create()
    named.attach(two[0], rq.NETWORK_ID, 2)
    assert answers(two[0], f"{FIXED} two A udp 0.5") == ["Timeout"]

    def found() -> list[str]:
        listed, networks = Nftables(open_runner()).list("ruleset"), [item.record for item in named.store.list(Network)]
        facts = Facts(walls=walls(listed, networks, [], {}))
        return [command for finding in other_firewalls(facts) for command in finding.commands]

    assert len(found()) == 4
    sh("; ".join(found()))
    assert answers(two[0], f"{FIXED} two A tcp", f"{GATEWAY} two A") == ["NOERROR 10.9.0.3"] * 2
    assert found() == []


def test_the_doctor_asks_inside_of_a_container(named: Resolved, two: tuple[Container, Container]) -> None:
    """It learns whether pynet answers there, and whether the server of the container leads to pynet."""
    named.create()
    named.attach(two[0], rq.NETWORK_ID, 2)
    networks, box = [item.record for item in named.store.list(Network)], Inside("box", two[0].pid)
    (sound,) = ask_inside(networks, {rq.NETWORK_ID: box}.get, GATEWAY)
    (silent,) = ask_inside(networks, {rq.NETWORK_ID: box}.get)
    assert (sound.container, sound.pynet, sound.engine) == ("box", "", "")
    assert (silent.pynet, silent.engine) == ("", "connection refused")
    assert ask_inside(networks, lambda _: Inside("gone", 1 << 22)) == ()
    sh(f"ip addr del {FIXED}/32 dev lo")
    assert lost_addresses(named.kernel, PLACES) == (FIXED,)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A process that serves."""
    served = Served(tmp_path)
    served.start()
    yield served
    served.terminate()


def test_it_serves_after_a_change_and_after_a_restart(served: Served) -> None:
    """A network that gets the option while it runs starts the resolver, and so does one that was there before."""
    options = {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": {}}
    data = {"AddressSpace": "s", "Pool": "10.9.0.0/24", "Gateway": f"{GATEWAY}/24"}
    served.call("NetworkDriver.CreateNetwork", NetworkID=rq.NETWORK_ID, Options=options, IPv4Data=[data], IPv6Data=[])
    assert not serves()
    ask(admin_place(served.socket), "SetOptions", body={"NetworkID": rq.NETWORK_ID, "Options": {"pynet.dns": "on"}})
    assert soon(serves)
    served.kill()
    served.start()
    assert soon(serves)
    served.call("NetworkDriver.DeleteNetwork", NetworkID=rq.NETWORK_ID)
    assert soon(lambda: not serves())


def serves() -> bool:
    """Return whether a process has the resolver's port."""
    return "UNCONN" in sh(f"ss -Hlun sport = {PORT}")
