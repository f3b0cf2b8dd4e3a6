"""Published ports and the guard on a real kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from plugin.errors import Conflict
from plugin.protocol.messages import EndpointRef
from tests.kernel.container import Container, host_asks, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

DUAL = ("10.9.0.1/24", "fd00:9::1/64")
KINDS = {"tcp": 6, "udp": 17}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A transport protocol."""
    return str(request.param)


def serve(pynet: Pynet, container: Container, *ports: str, kind: str = "tcp", **options: str) -> EndpointRef:
    """Attach a container with an echo to a network with both families, and publish its echo."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *DUAL, options=options))
    reference = pynet.attach(container, rq.NETWORK_ID, 2)
    container.echo()
    pynet.publish(reference, *ports, proto=KINDS[kind])
    return reference


def br_netfilter(value: str) -> None:
    """Let iptables and nftables see frames between the ports of a bridge too, or not."""
    if Path("/proc/sys/net/bridge").exists():
        sh(f"sysctl -qw net.bridge.bridge-nf-call-iptables={value} net.bridge.bridge-nf-call-ip6tables={value}")


def test_the_host_reaches_a_published_port(pynet: Pynet, two: tuple[Container, Container], kind: str) -> None:
    """The host reaches a published port at loopback addresses, ::1, and its addresses of both families."""
    serve(pynet, two[0], "8080", kind=kind)

    seen = {address: host_asks(address, 8080, kind) for address in ("127.0.0.1", "127.0.0.5", "10.9.0.1")}
    assert set(seen.values()) == {"10.9.0.1"}
    assert {host_asks(address, 8080, kind) for address in ("::1", "fd00:9::1")} == {"fd00:9::1"}


def test_used_up_ephemeral_ports_are_named(pynet: Pynet, two: tuple[Container, Container], kind: str) -> None:
    """If all ephemeral ports are taken, the refusal says so, and nothing is held."""
    sh("sysctl -qw net.ipv4.ip_local_port_range='40000 40000'")
    reference = serve(pynet, two[0], "0", kind=kind)
    other = pynet.attach(two[1], rq.NETWORK_ID, 3)
    held = pynet.publisher.held()
    with pytest.raises(Conflict, match=rf"port 7777/{kind} on any port of 0.0.0.0 and \[::\]: all ports are allocated"):
        pynet.publish(other, "0", proto=KINDS[kind])
    assert pynet.publisher.held() == held
    pynet.driver.revoke_external_connectivity(reference)
    pynet.publish(other, "0", proto=KINDS[kind])


def test_ipv6_of_the_host_leads_to_a_container_without_it(
    pynet: Pynet, two: tuple[Container, Container], kind: str
) -> None:
    """IPv6 to a container without IPv6 is relayed, and the container sees the bridge's address."""
    pynet.driver.create_network(rq.network())
    reference = pynet.attach(two[0], rq.NETWORK_ID, 2)
    two[0].echo()
    pynet.publish(reference, "8080", proto=KINDS[kind])

    assert host_asks("::1", 8080, kind) == "10.9.0.1"


def test_the_outside_is_seen_as_itself(pynet: Pynet, two: tuple[Container, Container], kind: str) -> None:
    """The container sees an outside client's own address."""
    connect(two[1])
    serve(pynet, two[0], "8080", kind=kind)

    assert two[1].asks("192.0.2.1", 8080, kind) == "192.0.2.9"
    assert two[1].asks("2001:db8::1", 8080, kind) == "2001:db8::9"


@pytest.mark.parametrize("bridged", ["0", "1"])
def test_a_container_reaches_itself_and_its_neighbour(
    pynet: Pynet, two: tuple[Container, Container], kind: str, bridged: str
) -> None:
    """A container reaches itself and its neighbour at the gateway's address, with the bridge as the source."""
    br_netfilter(bridged)
    serve(pynet, two[0], "8080", kind=kind)
    pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert two[0].asks("10.9.0.1", 8080, kind) == "10.9.0.1"
    assert two[0].asks("fd00:9::1", 8080, kind) == "fd00:9::1"
    assert two[1].asks("10.9.0.1", 8080, kind) == "10.9.0.1"
    assert two[1].asks("fd00:9::1", 8080, kind) == "fd00:9::1"


def test_another_network_reaches_a_published_port_only(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Another network reaches a published port at the host's address, not at the container's."""
    serve(pynet, two[0], "8080")
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    pynet.attach(two[1], rq.OTHER_ID, 3)

    assert two[1].asks("10.8.0.1", 8080) == "10.8.0.3"
    assert two[1].asks("10.9.0.2", 7777) == ""


def test_an_internal_network_reaches_no_port_of_another(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """An internal network reaches no port of another network, translated or relayed, at any gateway address."""
    pynet.driver.create_network(rq.network())
    reference = pynet.attach(two[0], rq.NETWORK_ID, 2)
    two[0].echo()
    pynet.publish(reference, "8080")
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", "fd00:8::1/64", internal=True))
    pynet.attach(two[1], rq.OTHER_ID, 3)

    assert host_asks("::1", 8080) == "10.9.0.1"
    assert two[1].reaches("fd00:8::1")
    assert [two[1].asks(address, 8080) for address in ("10.8.0.1", "fd00:8::1", "10.9.0.1")] == ["", "", ""]


def test_a_loopback_port_is_the_hosts_alone(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A port on loopback answers neither a neighbour that routes 127.0.0.1 to the host, nor a container."""
    container, outside = two
    connect(outside)
    serve(pynet, container, "127.0.0.1:8080")
    assert host_asks("127.0.0.1", 8080) == "10.9.0.1"
    outside.sh("sysctl -qw net.ipv4.conf.all.route_localnet=1; ip addr del 127.0.0.1/8 dev lo; ip link set lo down")
    outside.sh("ip route add 127.0.0.1/32 via 192.0.2.1")

    assert outside.asks("127.0.0.1", 8080) == ""
    assert outside.asks("192.0.2.1", 8080) == ""


def test_containers_do_not_reach_the_hosts_loopback(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Packets of containers to 127.0.0.0/8 are dropped, although ``route_localnet`` is on."""
    serve(pynet, two[0], "8080")
    command = f"{sys.executable} -m http.server --bind 127.0.0.1 9999"
    server = subprocess.Popen(["sh", "-c", f"exec {command}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    two[0].sh("sysctl -qw net.ipv4.conf.all.route_localnet=1; ip addr del 127.0.0.1/8 dev lo")
    two[0].sh("ip link set lo down; ip route add 127.0.0.1/32 via 10.9.0.1")
    try:
        assert two[0].asks("127.0.0.1", 9999) == ""
    finally:
        server.kill()
        server.wait()


def test_a_published_port_is_held(pynet: Pynet, two: tuple[Container, Container], kind: str) -> None:
    """No other process can take a published port, and a port of another process is refused by name."""
    serve(pynet, two[0], "8080", kind=kind)
    sock = "SOCK_STREAM" if kind == "tcp" else "SOCK_DGRAM"
    bind = f"import socket; s=socket.socket(socket.AF_INET, socket.{sock}); s.bind(('127.0.0.1', 8080))"
    with pytest.raises(AssertionError, match="Address already in use"):
        sh(f'{sys.executable} -c "{bind}"')
    with pytest.raises(Conflict, match="port 8080/"):
        pynet.publish(pynet.attach(two[1], rq.NETWORK_ID, 3), "8080", proto=KINDS[kind])


def test_withdrawn_means_gone(pynet: Pynet, two: tuple[Container, Container], kind: str) -> None:
    """A withdrawn port is refused at once, and free for others."""
    reference = serve(pynet, two[0], "8080", kind=kind)
    pynet.driver.revoke_external_connectivity(reference)

    assert host_asks("127.0.0.1", 8080, kind) == ""
    pynet.publish(pynet.attach(two[1], rq.NETWORK_ID, 3), "8080", proto=KINDS[kind])


def test_an_old_udp_flow_follows_the_new_container(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A UDP client that keeps sending reaches the new container, although conntrack knows the old one for 30 s."""
    reference = serve(pynet, two[0], "8080", kind="udp")
    ask = "s.sendto(b'?', ('10.9.0.1', 8080)); s.settimeout(3); print(s.recv(99).decode().strip())"
    script = f"import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5555)); {ask}"
    assert sh(f'{sys.executable} -c "{script}"') == "10.9.0.1\n"
    pynet.driver.delete_endpoint(reference)
    pynet.publish(pynet.attach(two[1], rq.NETWORK_ID, 3), "8080", proto=17)
    two[1].echo()

    assert sh(f'{sys.executable} -c "{script}"') == "10.9.0.1\n"


@pytest.mark.parametrize(("guard", "reached"), [("on", False), ("off", True)])
def test_a_stolen_address_reaches_nobody(
    pynet: Pynet, two: tuple[Container, Container], guard: str, reached: bool
) -> None:
    """Packets from a second address or another MAC in a container reach nobody."""
    serve(pynet, two[0], "8080", **{"pynet.guard": guard})
    pynet.attach(two[1], rq.NETWORK_ID, 3)
    two[1].sh("ip addr add 10.9.0.77/24 dev eth0; ip -6 addr add fd00:9::77/64 dev eth0 nodad")

    assert two[0].reaches("10.9.0.3")
    assert two[0].reaches("fd00:9::3")
    assert two[0].reaches("10.9.0.77") is reached
    assert two[0].reaches("fd00:9::77") is reached
    two[1].sh("ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:99 up")
    assert two[1].reaches("10.9.0.2") is reached


@pytest.mark.parametrize("bridged", ["0", "1"])
def test_without_icc_only_published_ports_are_reached(
    pynet: Pynet, two: tuple[Container, Container], bridged: str
) -> None:
    """Neighbours are closed to each other, the gateway is not."""
    br_netfilter(bridged)
    serve(pynet, two[0], "8080", **{"com.docker.network.bridge.enable_icc": "false"})
    pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert not two[1].reaches("10.9.0.2")
    assert not two[1].reaches("fd00:9::2")
    assert two[1].reaches("10.9.0.1")
    assert two[1].asks("10.9.0.1", 8080) == "10.9.0.1"


def test_without_icc_the_gateway_of_an_adopted_bridge_is_reached(
    pynet: Pynet, two: tuple[Container, Container]
) -> None:
    """Without icc, the gateway of an adopted bridge is reached, although the bridge's MAC changes with its ports."""
    sh("ip link add br-own up type bridge")
    options = {"com.docker.network.bridge.name": "br-own", "com.docker.network.bridge.enable_icc": "false"}
    pynet.driver.create_network(rq.network(options=options))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)

    assert all(container.reaches("10.9.0.1") for container in two)
    assert not two[0].reaches("10.9.0.3")


@pytest.mark.parametrize(
    ("mode", "published", "unpublished"), [("nat", "", ""), ("nat-unprotected", "out", "out"), ("routed", "out", "")]
)
def test_direct_access_follows_the_gateway_mode(
    pynet: Pynet, two: tuple[Container, Container], mode: str, published: str, unpublished: str
) -> None:
    """Direct access to the container's address from outside follows the gateway mode."""
    connect(two[1])
    modes = {f"com.docker.network.bridge.gateway_mode_ipv{version}": mode for version in (4, 6)}
    reference = serve(pynet, two[0], "8080", **modes)
    two[1].sh("ip route add 10.9.0.0/24 via 192.0.2.1; ip -6 route add fd00:9::/64 via 2001:db8::1")

    assert bool(two[1].asks("10.9.0.2", 7777)) is bool(published)
    assert bool(two[1].asks("fd00:9::2", 7777)) is bool(published)
    pynet.driver.leave(reference)
    assert bool(two[1].asks("10.9.0.2", 7777)) is bool(unpublished)


def test_many_ports_and_networks_are_no_more_rules(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """100 networks and 500 ports have as many rules as one."""
    reference = serve(pynet, two[0], "8080")
    rules = sh("nft -t list ruleset")
    for number in range(100):
        pynet.driver.create_network(rq.network(f"{number:02x}" + "c" * 62, f"10.7.{number}.1/24"))
    pynet.publish(reference, *map(str, range(20000, 20500)))

    assert sh("nft -t list ruleset") == rules
    assert {host_asks("127.0.0.1", port) for port in (20000, 20250, 20499)} == {"10.9.0.1"}


def test_a_flushed_ruleset_heals(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """After a flush one check of the watcher writes everything again, and another changes nothing."""
    connect(two[1])
    serve(pynet, two[0], "8080")
    before = sh("nft list ruleset")
    sh("nft flush ruleset")
    pynet.firewall.heal()

    assert sh("nft list ruleset") == before
    assert two[1].asks("192.0.2.1", 8080) == "192.0.2.9"
