"""Policies on the kernel, beside the matrix: replaced, repaired, rebuilt, and by ways around."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netlink.nftables import Nftables, open_runner
from plugin.firewall.elements import endpoint_elements
from plugin.ipam.supernets import parse_supernets
from plugin.model import findings as f
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import in_its_mode
from plugin.protocol.change_messages import SetOptions
from plugin.rebuild.networks import rebuilder
from tests.kernel.container import Container, sh
from tests.kernel.probing import Asking, Question, answering
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

NET = rq.NETWORK_ID
CLIENT, SERVER = "02" * 32, "03" * 32  # ids of their endpoints, as their addresses
SERVER_ASKED: list[Question] = [
    (protocol, "", address, port)
    for protocol in ("tcp", "udp")
    for address in ("10.9.0.3", "fd00:9::3")
    for port in (7777, 7778)
]
FIRST_PORT_ALONE = ["passed", "lost"] * 4


@pytest.fixture
def pair(pynet: Pynet, two: tuple[Container, Container]) -> Iterator[tuple[Container, Container]]:
    """A client, and a server that answers, on one network of both families; neither is attached to it."""
    pynet.driver.create_network(rq.network(NET, "10.9.0.1/24", "fd00:9::1/64"))
    with answering(two[1]):
        yield two


def rule(pynet: Pynet, endpoint: str, **options: str) -> None:
    """Replace the policy of an endpoint on the kernel."""
    network, known = pynet.store.get(Network, NET), pynet.store.get(Endpoint, f"{NET}/{endpoint}")
    assert network is not None
    assert known is not None
    changed = replace(known.record, driver_opts={f"pynet.{key}": value for key, value in options.items()})
    pynet.firewall.put(host_link_name(endpoint), endpoint_elements(network.record, changed))


@pytest.mark.parametrize("side", ["from", "egress"])
def test_nothing_leaks_and_nothing_stops_while_a_policy_is_replaced(
    pynet: Pynet, pair: tuple[Container, Container], side: str
) -> None:
    """While one policy takes the place of another, what both allow always passes, and what neither allows never."""
    allowed = [
        "tcp/7777, udp/7777, icmp",
        "tcp/7000-7777, udp/7777, 10.7.0.0/16",
        "any @ 10.7.0.0/16, tcp/7777, udp/7777",
    ]
    policies = [{"from": text} if side == "from" else {"egress": "deny", "allow_out": text} for text in allowed]
    pynet.attach(pair[0], NET, 2, CLIENT, **({} if side == "from" else policies[0]))
    pynet.attach(pair[1], NET, 3, SERVER, **(policies[0] if side == "from" else {}))

    hammering = Asking(pair[0], SERVER_ASKED, "hammer", "2")
    for number in range(200):
        rule(pynet, SERVER if side == "from" else CLIENT, **policies[number % 3])
    counts = [tuple(map(int, line.split())) for line in hammering.fates()]

    assert all(total > 20 for _, total in counts)
    assert [
        passed == total if port == 7777 else not passed
        for (passed, total), (*_, port) in zip(counts, SERVER_ASKED, strict=True)
    ] == [True] * 8


def test_a_port_that_lost_its_group_is_repaired(pynet: Pynet, pair: tuple[Container, Container]) -> None:
    """Rules know a port with a policy by its link group; another group is found, and put right."""
    pynet.attach(pair[0], NET, 2, CLIENT)
    pynet.attach(pair[1], NET, 3, SERVER, **{"from": "tcp/7777, udp/7777"})
    port = host_link_name(SERVER)
    sh(f"ip link set {port} group 0")

    assert "lost" not in Asking(pair[0], SERVER_ASKED).fates()
    assert [repair.kind for repair in pynet.reconciler.reconcile()] == [f.PortChanged.__name__]
    assert Asking(pair[0], SERVER_ASKED).fates() == FIRST_PORT_ALONE
    assert pynet.reconciler.reconcile() == []


def test_a_policy_is_rebuilt_from_the_kernel(pynet: Pynet, pair: tuple[Container, Container]) -> None:
    """If the store is lost, endpoints get options back that make the same elements; only names of groups differ."""
    options = {
        "group": "db,app",
        "egress": "deny",
        "allow_out": "tcp/443 @ 192.0.2.0/24, 10.0.0.0/8, icmp app, udp/53, 2001:db8::7 tcp/1-1024",
        "from": ", ".join(["app tcp/80, tcp/81 @ 10.9.0.9, icmp", *(f"10.{number}.0.0/24" for number in range(40))]),
        "publish_from": "192.0.2.9, tcp @ 2001:db8::/32",
        "rate_in": "10mbit",
    }
    reference = pynet.attach(pair[1], NET, 3, SERVER, **options)
    pynet.publish(reference, "0.0.0.0:8081")
    pynet.live.set_options(SetOptions(NET, SERVER, {"group": "db,app,web"}))
    nft = Nftables(open_runner())
    rebuild = rebuilder(pynet.kernel, nft, "pynet", parse_supernets("", "0123456789abcdef"), in_its_mode)
    found = {record.key: record for record in rebuild([])}
    nft.close()

    network, endpoint = found[NET], found[f"{NET}/{SERVER}"]
    assert isinstance(network, Network)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.policy_changed
    before = pynet.firewall.owners(host_link_name(SERVER))[host_link_name(SERVER)].elements
    assert set(endpoint_elements(network, endpoint)) == set(before)
    assert endpoint.driver_opts["pynet.rate_in"] == "10mbit"


@pytest.mark.parametrize(
    ("of_client", "of_server", "passes"),
    [
        ({}, {}, True),
        ({}, {"from": "tcp/7777 @ 10.9.0.2, tcp/7777 @ fd00:9::2"}, True),
        ({}, {"from": "tcp/7777 @ 10.9.0.9"}, False),
        ({"egress": "deny", "allow_out": "10.9.0.3, fd00:9::3"}, {}, True),
        ({"egress": "deny"}, {}, False),
    ],
)
def test_a_way_around_by_the_gateway_is_no_way_around(
    pynet: Pynet, pair: tuple[Container, Container], of_client: dict[str, str], of_server: dict[str, str], passes: bool
) -> None:
    """A neighbour that is reached through the host is reached only as addresses allow."""
    pynet.attach(pair[0], NET, 2, CLIENT, **of_client)
    pynet.attach(pair[1], NET, 3, SERVER, **of_server)
    sh("sysctl -qw net.ipv4.conf.all.send_redirects=0")
    pair[0].sh("ip route add 10.9.0.3/32 via 10.9.0.1; ip -6 route add fd00:9::3/128 via fd00:9::1")
    asked: list[Question] = [("tcp", "", address, 7777) for address in ("10.9.0.3", "fd00:9::3")]

    assert Asking(pair[0], asked).fates() == ["passed" if passes else "lost"] * 2


def test_relayed_ports_are_for_their_clients_too(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A port that pynet relays to a container without IPv6 passes for named clients and for the host alone."""
    connect(two[1])
    two[1].sh("ip addr add 2001:db8::10/64 dev in0 nodad")
    pynet.driver.create_network(rq.network(NET, "10.9.0.1/24"))
    server = pynet.attach(two[0], NET, 3, SERVER, publish_from="2001:db8::9, 10.0.0.0/8")
    pynet.publish(server, "[::]:8081", "0.0.0.0:8081")
    with answering(two[0]):
        asked: list[Question] = [("tcp", own, "2001:db8::1", 8081) for own in ("2001:db8::9", "2001:db8::10")]
        assert Asking(two[1], [*asked, ("tcp", "", "192.0.2.1", 8081)]).fates() == ["passed", "reset", "reset"]
        assert Asking(None, [("tcp", "", where, 8081) for where in ("::1", "2001:db8::1")]).fates() == ["passed"] * 2


def test_whole_packets_in_fragments_pass(pynet: Pynet, pair: tuple[Container, Container]) -> None:
    """Echo requests that are longer than the MTU pass where echo is allowed, and their answers with them."""
    pynet.attach(pair[0], NET, 2, CLIENT, egress="deny", allow_out="icmp")
    pynet.attach(pair[1], NET, 3, SERVER, **{"from": "icmp"})

    for address in ("10.9.0.3", "fd00:9::3"):
        pair[0].sh(f"ping -c 1 -W 2 -s 4000 {address}")
    assert Asking(pair[0], SERVER_ASKED).fates() == ["lost"] * 8
