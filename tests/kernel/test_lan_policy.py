"""Who reaches whom on a user's LAN under policies: containers, machines of the LAN, the host, and hosts behind both."""

from collections.abc import Iterator

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.lan_bridge import HOST, HOST6, lan_network, make_bridge
from tests.kernel.lan_site import NEIGHBOUR, REMOTE, LanSite
from tests.kernel.matrix import ALL, Matrix, wrong
from tests.kernel.probing import answering
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

BOXES = {  # number and options of each container
    "open": (20, {}),
    "web": (21, {"group": "web", "from": f"tcp/7777, icmp @ {NEIGHBOUR}, icmp @ fd00:50::9, udp/7777 web"}),
    "box": (
        22,
        {
            "group": "web",
            "egress": "deny",
            "allow_out": f"tcp/7777 @ {NEIGHBOUR}, tcp/7777 @ fd00:50::9, udp/7777 @ {REMOTE}, udp/7777 @ fd00:60::9, "
            f"icmp @ {HOST}, icmp @ {HOST6}, udp/7777 web, tcp/7778 @ 192.168.70.9, tcp/7778 @ fd00:70::9",
        },
    ),
}
ADDRESSES = {
    **{name: (f"192.168.50.{number}", f"fd00:50::{number:x}") for name, (number, _) in BOXES.items()},
    "neighbour": (NEIGHBOUR, "fd00:50::9"),
    "remote": (REMOTE, "fd00:60::9"),  # behind the LAN's router
    "host": (HOST, HOST6),
    "behind": ("192.168.70.9", "fd00:70::9"),  # behind the host
}
PASSES = {  # who reaches whom with which services; every other pair here reaches nothing
    ("open", "web"): "tcp/7777",
    ("open", "box"): ALL,
    ("open", "neighbour"): ALL,
    ("open", "remote"): ALL,
    ("open", "host"): ALL,
    ("open", "behind"): ALL,
    ("web", "box"): ALL,
    ("web", "remote"): ALL,
    ("box", "open"): "",
    ("box", "web"): "udp/7777",
    ("box", "neighbour"): "tcp/7777",
    ("box", "remote"): "udp/7777",
    ("box", "host"): "icmp",
    ("box", "behind"): "tcp/7778",
    ("neighbour", "open"): ALL,
    ("neighbour", "web"): "tcp/7777 icmp",
    ("neighbour", "box"): ALL,
    ("remote", "web"): "tcp/7777",
    ("remote", "open"): ALL,
    ("host", "open"): ALL,
    ("host", "web"): "tcp/7777",  # a neighbour like others
    ("behind", "web"): "tcp/7777",
    ("behind", "open"): ALL,
}


@pytest.fixture
def matrix(pynet: Pynet, lan: LanSite, containers: list[Container]) -> Iterator[Matrix]:
    """Containers on the LAN, and a machine that the host routes to."""
    make_bridge()
    pynet.driver.create_network(lan_network())
    boxes: dict[str, Container] = {"neighbour": lan.neighbour, "remote": lan.remote, "behind": Container()}
    containers.append(boxes["behind"])
    for index, (name, (number, options)) in enumerate(BOXES.items(), 1):
        boxes[name] = Container()
        containers.append(boxes[name])
        pynet.attach(boxes[name], rq.NETWORK_ID, number, f"{index:02x}" * 32, **options)
        boxes[name].sh(f"ip route add 192.168.70.0/24 via {HOST}; ip route add fd00:70::/64 via {HOST6}")
    sh(f"ip link add back0 type veth peer name eth0 netns {boxes['behind'].pid}; ip link set back0 up")
    sh("ip addr add 192.168.70.1/24 dev back0; ip addr add fd00:70::1/64 dev back0 nodad")
    sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    boxes["behind"].sh(
        "ip link set eth0 up; ip addr add 192.168.70.9/24 dev eth0; ip addr add fd00:70::9/64 dev eth0 nodad"
    )
    boxes["behind"].sh("ip route add default via 192.168.70.1; ip route add default via fd00:70::1")
    with answering(None, *boxes.values()):
        yield Matrix(boxes, ADDRESSES, {})


def test_policies_hold_at_the_ports_whatever_is_behind_a_neighbour(matrix: Matrix) -> None:
    """Every pair of PASSES reaches its services and no others, in both families, with br_netfilter and without."""
    assert not wrong(matrix.fates(list(PASSES)), PASSES)

    sh("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1")
    assert not wrong(matrix.fates(list(PASSES)), PASSES)
