"""Published ports: where they can be reached from, conflicts, and their end."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, HOST6, OUTSIDE4, OUTSIDE6, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene, seen_from
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed
from tests.engine.lab.snapshot import unchanged

KINDS = pytest.mark.parametrize("kind", ["tcp", "udp"])
BIND = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_{})
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, {})
s.bind(("0.0.0.0", {}))
if s.type == socket.SOCK_STREAM: s.listen()
{}"""
ASK_ALL = """import socket
for port in range(20000, 20500):
    with socket.create_connection(("{}", port), 2) as connection:
        print(connection.recv(99).decode().strip())
"""
WAIT = "print('bound', flush=True); sys.stdin.read()"


def binding(port: int, kind: str, then: str = "") -> str:
    """Return a program that takes a port as a server does, past connections in TIME_WAIT."""
    return BIND.format(*(("STREAM", 1) if kind == "tcp" else ("DGRAM", 0)), port, then)


def bind(host: Host, port: int, kind: str) -> str:
    """Try to take a port of the host; return the complaint, or "" when it was free."""
    try:
        host.net(sys.executable, "-c", binding(port, kind))
    except CommandFailed as failure:
        return failure.stderr
    return ""


@KINDS
def test_the_outside_and_the_host_reach_it(scene: Scene, outside: Outside, kind: str) -> None:
    """The outside is seen as itself; the host comes by 127.0.0.1, ::1, its addresses and the gateway's."""
    net = scene.network("--subnet", "10.41.0.0/24")
    scene.server(net, "-p", f"8080:7777/{kind}")

    assert seen_from(outside.exec, HOST4, kind, 8080) == OUTSIDE4
    for address in ("127.0.0.1", "::1", HOST4, HOST6, "10.41.0.1"):
        assert seen_from(scene.host.net, address, kind, 8080), address


@KINDS
@pytest.mark.usefixtures("outside")
def test_containers_reach_it_by_an_address_of_the_host(scene: Scene, kind: str) -> None:
    """Itself, a neighbour, a container of another network, and one on Docker's default bridge."""
    if scene.driver == "bridge" and kind == "udp" and not scene.host.engine.at_least_28:
        pytest.skip("the built-in driver of 20.10 leaves some of them without an answer over UDP")
    net, other = scene.network(), scene.network()
    server = scene.server(net, "-p", f"8080:7777/{kind}")

    for box in (server, scene.container(net), scene.container(other), scene.container("bridge")):
        assert box.seen_by(HOST4, kind, 8080), box.name


@pytest.mark.usefixtures("outside")
def test_a_port_of_a_built_in_network_is_reached(scene: Scene) -> None:
    """The other way round: Docker's default bridge publishes, a container of ours asks."""
    scene.server("bridge", "-p", "8081:7777")
    box = scene.container(scene.network())
    assert box.seen_by(HOST4, "tcp", 8081)


@KINDS
def test_ipv6_is_published_like_ipv4(scene: Scene, outside: Outside, kind: str) -> None:
    """A container with an IPv6 address sees the outside's; the gateway and ::1 work too."""
    if scene.driver == "bridge" and not scene.host.engine.at_least_28:
        pytest.skip("the built-in driver of 20.10 had no rules for IPv6")
    net = scene.network("--ipv6", "--subnet", "fd00:41::/64")
    scene.server(net, "-p", f"8080:7777/{kind}")

    assert seen_from(outside.exec, HOST6, kind, 8080) == OUTSIDE6
    assert seen_from(scene.host.net, "::1", kind, 8080)
    assert seen_from(outside.exec, HOST4, kind, 8080) == OUTSIDE4


def test_an_address_limits_who_reaches_it(scene: Scene, outside: Outside) -> None:
    """127.0.0.1 is the host's alone, also for a neighbour with a crafted route; another address is that one only."""
    net = scene.network("--subnet", "10.42.0.0/24")
    box = scene.server(net, "-p", "127.0.0.1:8080:7777", "-p", f"{HOST4}:8082:7777")
    assert seen_from(scene.host.net, "127.0.0.1", "tcp", 8080)
    assert seen_from(outside.exec, HOST4, "tcp", 8082) == OUTSIDE4
    assert not seen_from(scene.host.net, "127.0.0.1", "tcp", 8082)
    assert not seen_from(outside.exec, HOST4, "tcp", 8080)
    outside.route("10.42.0.0/24")
    try:
        assert scene.driver == "bridge" or not seen_from(outside.exec, box.ip(net))
    finally:
        outside.unroute("10.42.0.0/24")


def test_ranges_any_port_and_all_exposed_ports(scene: Scene, outside: Outside) -> None:
    """A range is its ports one by one; without a host port any free one is taken; -P publishes what is exposed."""
    net = scene.network()
    box = scene.container(net, "-p", "8100-8102:8100-8102", "-p", "7777", "-P", "--expose", "7778")
    scene.echo(box, 7777, 7778, 8100, 8101, 8102)
    ports = {port.container_port: port.host_port for port in scene.ports(box) if port.host_ip in {"0.0.0.0", ""}}

    assert {number: ports[number] for number in (8100, 8101, 8102)} == {8100: 8100, 8101: 8101, 8102: 8102}
    for number in ports.values():
        assert seen_from(outside.exec, HOST4, "tcp", number) == OUTSIDE4


@KINDS
def test_a_taken_port_is_refused(scene: Scene, kind: str) -> None:
    """If a container or a process has the port, the start fails, the text names the port, and nothing is left."""
    net = scene.network()
    scene.container(net, "-p", f"8080:7777/{kind}")
    command = ["nsenter", "-t", str(scene.host.pid), "-n", sys.executable, "-c", binding(8090, kind, WAIT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"bound\n"
        assert "8080" in scene.run_fails(net, "-p", f"8080:7777/{kind}")
        assert "8090" in scene.run_fails(net, "-p", f"8090:7777/{kind}")
        process.communicate()


@KINDS
@pytest.mark.parametrize("end", ["stop", "disconnect", "rm"])
def test_a_port_is_held_until_its_container_ends(scene: Scene, outside: Outside, kind: str, end: str) -> None:
    """No process can take it before, any can afterwards, and nobody is answered any more."""
    net = scene.network()
    box = scene.server(net, "-p", f"8080:7777/{kind}")
    assert "in use" in bind(scene.host, 8080, kind)
    endings: dict[str, Callable[[], str]] = {
        "stop": lambda: scene.host.docker("stop", box.name),
        "disconnect": lambda: scene.host.docker("network", "disconnect", net, box.name),
        "rm": lambda: scene.host.docker("rm", "-f", box.name),
    }
    endings[end]()

    wait_until(lambda: not bind(scene.host, 8080, kind), "the port to be free", 5)
    assert not seen_from(outside.exec, HOST4, kind, 8080)
    if end == "rm":
        scene.container(net, "--name", box.name)


def test_a_restarted_container_has_its_port_again(scene: Scene, outside: Outside) -> None:
    """A fixed port survives ``docker restart``."""
    box = scene.container(scene.network(), "-p", "8080:7777")
    scene.host.docker("restart", "-t", "0", box.name)
    scene.echo(box)
    assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4


def test_an_old_udp_flow_reaches_the_new_container(scene: Scene, outside: Outside) -> None:
    """A client that keeps its port is not sent to the container that is gone."""
    net = scene.network()
    ask = f"s.sendto(b'?', ('{HOST4}', 8080)); s.settimeout(1)\nprint(s.recv(99).decode())"
    script = f"import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5555)); {ask}"
    for _ in range(2):
        box = scene.server(net, "-p", "8080:7777/udp")
        assert outside.exec(sys.executable, "-c", script) == OUTSIDE4
        scene.clear()
    assert box.name


def test_what_a_container_publishes_leaves_nothing(scene: Scene) -> None:
    """Links, rules, settings and namespaces of the host are as before."""
    with unchanged(scene.host):
        net = scene.network()
        scene.container(net, "-p", "8080-8084:8080-8084", "-p", "8080:8080/udp", "-P", "--expose", "9000")
        scene.close()


def test_five_hundred_ports_are_no_more_rules(pynet_scene: Scene, outside: Outside) -> None:
    """Five hundred ports all answer, and add elements of maps but no rules."""
    scene = pynet_scene
    net = scene.network()
    scene.container(net, "-p", "8080:7777")
    rules = scene.host.net("nft", "--stateless", "-t", "list", "ruleset").count("\n")
    box = scene.container(net, "-p", "20000-20499:20000-20499")
    assert scene.host.net("nft", "--stateless", "-t", "list", "ruleset").count("\n") == rules
    scene.echo(box, *range(20000, 20500))
    answers = outside.exec(sys.executable, "-c", ASK_ALL.format(HOST4)).split()

    assert answers == [OUTSIDE4] * 500


def test_pynet_ports_tells_what_docker_ps_cannot(pynet_scene: Scene) -> None:
    """The command names container, network, and both ends of every published port."""
    scene = pynet_scene
    net = scene.network("--subnet", "10.43.0.0/24")
    box = scene.container(net, "--ip", "10.43.0.9", "-p", "127.0.0.1:8080:80", "-p", "[::1]:8080:80/udp")
    lines = [line.split() for line in command(scene.host, "ports").splitlines()]

    assert [box.name, net, "tcp", "127.0.0.1:8080", "10.43.0.9:80"] in lines
    assert [box.name, net, "udp", "[::1]:8080", "10.43.0.9:80"] in lines


def test_the_engine_can_publish(pynet_scene: Scene, outside: Outside) -> None:
    """With ``pynet.publish=engine`` it does so through docker_gwbridge, and ``docker ps`` shows the port."""
    scene = pynet_scene
    box = scene.server(scene.network("-o", "pynet.publish=engine"), "-p", "8080:7777")

    assert "8080->7777/tcp" in scene.host.docker("ps", "--filter", f"name={box.name}", "--format", "{{.Ports}}")
    assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
