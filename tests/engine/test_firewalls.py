"""pynet beside other firewalls, and after somebody flushed the rules. A host of its own: the tests break its rules."""

from collections.abc import Iterator

import pytest

from tests.engine.lab import image, service
from tests.engine.lab.engines import Engine
from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, OUTSIDE4, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene, seen_from

HEALS = 2.0  # seconds in which rules that somebody removed are back
FIREWALLD = """table inet firewalld {
  chain filter_INPUT {
    type filter hook input priority filter + 10; policy accept;
    ct state established,related accept
    iifname "lo" accept
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state established,related accept
    reject with icmpx admin-prohibited
  }
}
"""
# What Docker Engine 29 writes with its nftables backend for a network of its own, as far as foreign packets meet it.
ENGINE_29 = """table ip docker-bridges {
  map filter-forward-out-jumps { type ifname : verdict; elements = { "br-29" : jump filter-forward-out__br-29 } }
  chain filter-FORWARD {
    type filter hook forward priority filter; policy accept;
    oifname vmap @filter-forward-out-jumps
  }
  chain filter-forward-out__br-29 {
    ct state established,related accept
    drop
  }
  chain nat-prerouting-and-output { }
  chain nat-PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local counter jump nat-prerouting-and-output
  }
  chain raw-PREROUTING {
    type filter hook prerouting priority raw; policy accept;
  }
}
"""


@pytest.fixture(scope="module", params=[(), ("--iptables=false",)], ids=["iptables", "no-iptables"])
def place(request: pytest.FixtureRequest, engine: Engine) -> Iterator[tuple[Host, Outside]]:
    """A host with pynet, whose rules may be broken, and what lies beyond it."""
    with Host(engine, "walls") as host:
        host.start_engine(*request.param)
        image.load(host.docker)
        plugin = service.pynet(host)
        plugin.start()
        with Outside(host) as outside:
            yield host, outside
        plugin.stop()


@pytest.fixture
def walled(place: tuple[Host, Outside]) -> Iterator[tuple[Scene, Outside]]:
    """A scene on that host, whose rules are put back afterwards."""
    host, outside = place
    before = {command: host.net(f"{command}-save") for command in ("iptables", "ip6tables")}
    scene = Scene(host, "pynet")
    try:
        yield scene, outside
    finally:
        scene.close()
        host.net("nft", "flush", "ruleset")
        for command, rules in before.items():
            host.net(f"{command}-restore", stdin=f"{rules}\n".encode())


def works(outside: Outside, box: Container) -> bool:
    """Whether the container gets out and its published port is reached."""
    return box.seen_by(OUTSIDE4) == HOST4 and seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4


@pytest.mark.parametrize("wall", ["drop-at-the-end", "policy-drop", "firewalld", "engine-29"])
def test_pynet_works_beside_another_firewall(walled: tuple[Scene, Outside], wall: str) -> None:
    """A user's DROP, ufw's policy, firewalld's reject and the engine's own nftables let pynet's packets pass."""
    scene, outside = walled
    host = scene.host
    match wall:
        case "drop-at-the-end":
            host.net("iptables", "-A", "FORWARD", "-j", "DROP")
        case "policy-drop":
            host.net("iptables", "-P", "FORWARD", "DROP")
        case "firewalld":
            host.net("nft", "-f", "-", stdin=FIREWALLD.encode())
        case _:
            host.net("nft", "-f", "-", stdin=ENGINE_29.encode())
    box = scene.server(scene.network(), "-p", "8080:7777")
    wait_until(lambda: works(outside, box), "the container to get out and be reached", HEALS)


def test_the_users_rules_come_first(walled: tuple[Scene, Outside]) -> None:
    """A DROP in DOCKER-USER holds for pynet's published ports as for Docker's own."""
    scene, outside = walled
    if "DOCKER-USER" not in scene.host.net("iptables", "-S"):
        pytest.skip("without iptables the engine makes no DOCKER-USER")
    box = scene.server(scene.network(), "-p", "8080:7777")
    assert works(outside, box)
    scene.host.net("iptables", "-I", "DOCKER-USER", "-i", "out0", "-j", "DROP")
    assert not seen_from(outside.exec, HOST4, "tcp", 8080)


@pytest.mark.parametrize(
    "blow",
    [
        ("iptables", "-F"),
        ("iptables", "-F", "FORWARD"),
        ("nft", "flush", "ruleset"),
        ("nft", "flush", "table", "inet", "pynet"),
    ],
)
def test_removed_rules_come_back(walled: tuple[Scene, Outside], blow: tuple[str, ...]) -> None:
    """Within two seconds the way out, published ports and the isolation of networks are as before."""
    scene, outside = walled
    box = scene.server(scene.network(), "-p", "8080:7777")
    net = scene.network()
    other = scene.server(net)
    scene.host.net("iptables", "-P", "FORWARD", "DROP")
    wait_until(lambda: works(outside, box), "the port to be reached", HEALS)
    scene.host.net(*blow)

    wait_until(lambda: works(outside, box), "the rules to be back", HEALS)
    assert not box.seen_by(other.ip(net))
