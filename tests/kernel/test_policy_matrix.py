"""Who reaches whom under policies: groups, ports, protocols and families, in and between networks, outside and host."""

from collections.abc import Iterator

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.matrix import ALL, Matrix, wrong
from tests.kernel.probing import answering
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

INNER, OTHER = rq.NETWORK_ID, rq.OTHER_ID
BOXES = {  # network, number and options of each container
    "web": (INNER, 2, {"group": "web", "publish_from": "192.0.2.9, 2001:db8::9, tcp @ 10.8.0.0/24, fd00:8::/64"}),
    "app": (INNER, 3, {"group": "app", "from": "tcp/7777 web, icmp web"}),
    "db": (
        INNER,
        4,
        {"group": "db", "from": "tcp/7777 app, udp/7770-7777 app, tcp/7778 10.9.0.0/28, fd00:9::/124 tcp/7778"},
    ),
    "free": (INNER, 5, {}),
    "box": (
        INNER,
        20,
        {
            "group": "tools,app",
            "egress": "deny",
            "allow_out": "tcp/7777 db, icmp app, udp/7777 @ 10.9.0.5, udp/7777 @ fd00:9::5, tcp/7777 @ 192.0.2.9, "
            "tcp/7777 @ 2001:db8::/64, 10.8.0.2, fd00:8::2, tcp/7777 @ 10.8.0.3, tcp/7777 @ fd00:8::3, "
            "icmp @ 10.9.0.1, tcp/7778 @ 10.9.0.1, icmp @ fd00:9::1, tcp/7778 @ fd00:9::1",
        },
    ),
    "peer": (OTHER, 2, {"from": "tcp/7777 @ 192.0.2.9, tcp/7777 @ 2001:db8::9, icmp"}),
    "open": (OTHER, 3, {}),
}
ADDRESSES = {
    **{
        name: (f"10.{9 if network == INNER else 8}.0.{number}", f"fd00:{9 if network == INNER else 8}::{number:x}")
        for name, (network, number, _) in BOXES.items()
    },
    "outside": ("192.0.2.9", "2001:db8::9"),
    "stranger": ("192.0.2.10", "2001:db8::10"),  # the same machine, from other addresses
    "host": ("10.9.0.1", "fd00:9::1"),
    "published": ("192.0.2.1", "2001:db8::1"),  # port 8081 of the host, which is tcp/7777 of "web"
}
PASSES = {  # who reaches whom with which of SERVICES; every other pair here reaches nothing
    ("web", "app"): "tcp/7777 icmp",
    ("web", "db"): "tcp/7778",
    ("web", "free"): ALL,
    ("web", "box"): ALL,
    ("web", "host"): ALL,
    ("web", "peer"): "icmp",
    ("web", "outside"): ALL,
    ("app", "web"): ALL,
    ("app", "db"): "tcp/7777 tcp/7778 udp/7777",
    ("db", "app"): "",
    ("db", "web"): ALL,
    ("free", "app"): "",
    ("free", "db"): "tcp/7778",
    ("free", "box"): ALL,
    ("free", "host"): ALL,
    ("free", "peer"): "icmp",
    ("free", "open"): "tcp/7777 icmp",
    ("free", "published"): "",  # a neighbour by a way around, whom publish_from does not name
    ("box", "web"): "",
    ("box", "app"): "",  # it may send, but "app" takes nothing from it
    ("box", "db"): "tcp/7777",
    ("box", "free"): "udp/7777",
    ("box", "host"): "tcp/7778 icmp",
    ("box", "peer"): "icmp",
    ("box", "open"): "tcp/7777",
    ("box", "outside"): "tcp/7777",
    ("box", "published"): "",
    ("peer", "published"): "tcp/7777",
    ("peer", "open"): ALL,
    ("open", "peer"): "icmp",
    ("open", "published"): "tcp/7777",
    ("outside", "peer"): "tcp/7777 icmp",
    ("outside", "open"): "tcp/7777 icmp",
    ("outside", "published"): "tcp/7777",
    ("outside", "db"): "",
    ("stranger", "peer"): "icmp",
    ("stranger", "open"): "tcp/7777 icmp",
    ("stranger", "published"): "",
    ("host", "app"): ALL,
    ("host", "db"): ALL,
    ("host", "box"): ALL,
    ("host", "peer"): ALL,
    ("host", "published"): "tcp/7777",
}
ROUTED = [("box", "outside"), ("box", "host"), ("web", "peer"), ("stranger", "published")]


class Scene(Matrix):
    """Containers by name, each answering on two ports, with the outside and the host."""

    def __init__(self, pynet: Pynet, containers: list[Container]) -> None:
        boxes = {name: Container() for name in ("outside", *BOXES)}
        super().__init__(boxes, ADDRESSES, {"stranger": "outside"})
        outside = boxes["outside"]
        containers += boxes.values()
        connect(outside)
        routed = {f"com.docker.network.bridge.gateway_mode_ipv{version}": "routed" for version in (4, 6)}
        pynet.driver.create_network(rq.network(INNER, "10.9.0.1/24", "fd00:9::1/64"))
        pynet.driver.create_network(rq.network(OTHER, "10.8.0.1/24", "fd00:8::1/64", options=routed))
        ends = {
            name: pynet.attach(boxes[name], network, number, f"{index:02x}" * 32, **options)
            for index, (name, (network, number, options)) in enumerate(BOXES.items(), 1)
        }
        pynet.publish(ends["web"], "0.0.0.0:8081", "[::]:8081")
        for name in ("peer", "open"):
            pynet.publish(ends[name], "7777")
        outside.sh("ip addr add 192.0.2.10/24 dev in0; ip addr add 2001:db8::10/64 dev in0 nodad preferred_lft 0")
        outside.sh("ip route add 10.0.0.0/8 via 192.0.2.1; ip -6 route add fd00::/16 via 2001:db8::1")


@pytest.fixture
def scene(pynet: Pynet, containers: list[Container]) -> Iterator[Scene]:
    """Return the scene of the matrix."""
    scene = Scene(pynet, containers)
    with answering(None, *scene.boxes.values()):
        yield scene


def test_policies_let_pass_what_they_allow_and_nothing_else(scene: Scene) -> None:
    """Every pair of PASSES reaches the services that it names, in both families, and no others."""
    found = scene.fates(list(PASSES))
    assert not wrong(found, PASSES)

    sh("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1")
    assert not wrong(scene.fates(list(PASSES)), PASSES)

    # What the host refuses is told apart from what is lost.
    refused = {question: fate for question, fate in found.items() if question[:2] in ROUTED and fate != "passed"}
    assert {fate for question, fate in refused.items() if question[2] == "udp/7777"} == {"prohibited"}
    assert {fate for question, fate in refused.items() if question[2] == "tcp/7777"} == {"reset"}
