"""The three ways in which containers ask pynet for names, on real engines."""

import json
from collections.abc import Callable, Iterator

import pytest

from cli.commands.dns_setup import LAST_THAT_ASKS_FROM_THE_CONTAINER
from tests.engine.lab.engines import Engine
from tests.engine.lab.host import Host
from tests.engine.lab.outside import OUTSIDE4, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed

RESOLVER = "169.254.53.53"
GATEWAY = "10.36.0.1"
SUBNET = ("--subnet", "10.36.0.0/24", "--gateway", GATEWAY)
ON, HIJACK = ("-o", "pynet.dns=on"), ("-o", "pynet.dns=hijack")


def resolved(box: Container, name: str) -> str:
    """Return what a container is told about a name; "" if it finds none."""
    try:
        return box.exec("nslookup", name)
    except CommandFailed:
        return ""


def finds_pynet(scene: Scene, network: str, asking: Container, other: Container | None = None) -> None:
    """Wait until a container finds another one by its full name, which the engine does not know."""
    other = other or scene.container(network)
    full, address = f"{other.name}.{network}.pynet", other.ip(network)
    wait_until(lambda: address in resolved(asking, full), f"{full} to lead to {address}", 15)


def complaints(scene: Scene) -> list[str]:
    """Return what the doctor says about the resolver."""
    try:
        found = json.loads(command(scene.host, "doctor", "--json"))
    except CommandFailed as failure:
        found = json.loads(failure.stdout)
    return [str(one["cause"]) for one in found if one["check"] == "resolver"]


def test_a_container_may_name_pynet_as_its_server(pynet_scene: Scene) -> None:
    """With ``--dns``, at the gateway or at the fixed address, on every engine; the doctor finds who does not ask."""
    network = pynet_scene.network(*SUBNET, *ON)
    other = pynet_scene.container(network)
    assert [f"container '{other.name}' of network" in each for each in complaints(pynet_scene)] == [True]
    for server in (GATEWAY, RESOLVER):
        finds_pynet(pynet_scene, network, pynet_scene.container(network, "--dns", server), other)


def test_an_internal_network_asks_the_gateway(pynet_scene: Scene) -> None:
    """Its containers have no route to the fixed address, but the gateway is on their link."""
    network = pynet_scene.network(*SUBNET, *ON, "--internal")
    finds_pynet(pynet_scene, network, pynet_scene.container(network, "--dns", GATEWAY))


@pytest.fixture(scope="module")
def asking(host: Host, outside: Outside) -> Iterator[Callable[..., None]]:
    """Gives a host one name server, and its engine options about name servers, for which it has to start again."""
    assert outside
    before, running = host.exec("cat", "/etc/resolv.conf"), list[tuple[str, ...]]()

    def serve(server: str, *options: str) -> None:
        host.exec("sh", "-c", f"echo nameserver {server} > /etc/resolv.conf")  # read whenever a container starts
        if running[-1:] != [options]:
            host.stop_engine()
            host.start_engine(servers=options)
            running.append(options)

    yield serve
    if running:
        host.exec("sh", "-c", "cat > /etc/resolv.conf", stdin=before.encode())
        host.stop_engine()
        host.start_engine()


def test_up_to_25_an_option_of_the_network_is_enough(
    pynet_scene: Scene, engine: Engine, asking: Callable[..., None]
) -> None:
    """These engines ask the host's servers from the container's namespace, where pynet's rules catch the question."""
    if int(engine.version.split(".")[0]) > LAST_THAT_ASKS_FROM_THE_CONTAINER:
        pytest.skip("since 26 the engine asks from the host")
    asking(OUTSIDE4)
    network = pynet_scene.network(*SUBNET, *HIJACK)
    finds_pynet(pynet_scene, network, pynet_scene.container(network))
    assert complaints(pynet_scene) == []


def test_the_host_itself_may_ask_pynet(pynet_scene: Scene, asking: Callable[..., None]) -> None:
    """Then the host and its containers find full names, and no container needs a flag."""
    network = pynet_scene.network(*SUBNET, *ON)
    asking(RESOLVER)
    box = pynet_scene.container(network)
    finds_pynet(pynet_scene, network, box)
    full = f"{box.name}.{network}.pynet"
    assert box.ip(network) in pynet_scene.host.exec("getent", "ahostsv4", full)
    assert complaints(pynet_scene) == []


def test_one_line_for_all_containers_is_enough(pynet_scene: Scene, asking: Callable[..., None]) -> None:
    """With the fixed address as "dns" in daemon.json no container needs a flag."""
    asking(OUTSIDE4, "--dns", RESOLVER)
    network = pynet_scene.network(*SUBNET, *ON)
    finds_pynet(pynet_scene, network, pynet_scene.container(network))
