"""ICMP errors about known flows carry nothing out of an internal network or into it."""

import sys

import pytest

from tests.engine.lab.outside import HOST4, HOST6, OUTSIDE4, OUTSIDE6, Outside
from tests.engine.lab.scene import Container, Scene
from tests.kernel.packets import SCRIPT, udp, unreachable

COUNTED = "icmp code host-unreachable", "icmpv6 code addr-unreachable"
FAMILIES = {4: (HOST4, OUTSIDE4), 6: (HOST6, OUTSIDE6)}


def send(box: Container | Outside, packet: bytes) -> None:
    """Send an IP packet."""
    run = box.net if isinstance(box, Container) else box.exec
    run(sys.executable, SCRIPT, "send", packet.hex())


def count(box: Container | Outside) -> None:
    """Begin to count the errors that arrive."""
    run = box.net if isinstance(box, Container) else box.exec
    rules = "".join(f"add rule inet seen in {match} counter\n" for match in COUNTED)
    chain = "add chain inet seen in { type filter hook prerouting priority -400; }"
    run("nft", f"add table inet seen\ndelete table inet seen\nadd table inet seen\n{chain}\n{rules}")


def counted(box: Container | Outside) -> int:
    """Return how many came."""
    run = box.net if isinstance(box, Container) else box.exec
    return sum(
        int(line.split("packets ")[1].split()[0])
        for line in run("nft", "list", "table", "inet", "seen").split("\n")
        if "packets" in line
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_errors_get_neither_out_of_an_internal_network_nor_into_it(scene: Scene, outside: Outside, family: int) -> None:
    """One about a flow to a published port goes out of the port's network, and not out of an internal one."""
    if family == 6 and scene.driver == "bridge" and not scene.host.engine.at_least_28:
        pytest.skip("the built-in driver had no rules for IPv6")
    host, peer = FAMILIES[family]
    subnets = [("--ipv6", "--subnet", f"10.{n}.0.0/24", "--subnet", f"fd00:{n}::/64") for n in (35, 36)]
    inner_net, net = scene.network("--internal", *subnets[0]), scene.network(*subnets[1])
    inner, server = scene.container(inner_net), scene.server(net, "-p", "8081:7777/udp")
    own, served = (b.ip(n) if family == 4 else b.ip6(n) for b, n in ((inner, inner_net), (server, net)))
    gateway, subnet = ("10.35.0.1", "10.35.0.0/24") if family == 4 else ("fd00:35::1", "fd00:35::/64")
    inner.net("ip", f"-{family}", "route", "replace", "default", "via", gateway)
    outside.route(subnet)
    for box in (outside, inner):
        count(box)
    send(outside, udp((peer, 5555), (host, 8081), "flow"))
    send(inner, udp((own, 6666), (gateway, 9), "flow"))
    asking = udp((peer, 5555), (served, 7777), "secret")

    found = []
    for sender, packet, receiver in (
        (inner, unreachable(own, peer, asking), outside),
        (server, unreachable(served, peer, asking), outside),
        (outside, unreachable(peer, own, udp((own, 6666), (gateway, 9), "command")), inner),
    ):
        send(sender, packet)
        found.append(counted(receiver))
    outside.unroute(subnet)

    assert found == [0, 1, 0]
