"""Damage by others under running containers is repaired; after a reboot or an engine crash all starts again."""

import json
from collections.abc import Iterator

import pytest

from plugin.model.names import bridge_name
from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, OUTSIDE4, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import Plugin, command
from tests.engine.lab.shell import CommandFailed

URL = "http://127.0.0.1:8080/"


@pytest.fixture
def revived(pynet: Plugin) -> Iterator[Plugin]:
    """Run pynet, and start it again if the test left it dead."""
    yield pynet
    if not pynet.pids:
        pynet.start()


def bridge_of(host: Host, network: str) -> str:
    """The bridge that carries a network."""
    return bridge_name(host.docker("network", "inspect", "--format", "{{.Id}}", network).strip())


def answers(box: Container) -> None:
    """Answer on port 80 of a container, and wait until its port 8080 of the host leads there.

    docker-proxy takes a connection before anybody in the container listens, and then closes it.
    """
    box.host.docker("exec", "-d", box.name, "httpd", "-p", "80", "-h", "/www")
    wait_until(lambda: _asks(box.host) == "hello", "the published port to answer", 10)


def _asks(host: Host) -> str:
    try:
        return host.net("curl", "--noproxy", "*", "-s", URL)
    except CommandFailed:
        return ""


@pytest.mark.usefixtures("outside")
def test_a_bridge_that_is_deleted_under_its_containers_comes_back(pynet_scene: Scene) -> None:
    """Containers talk to each other and to the outside again, without anybody doing anything."""
    host = pynet_scene.host
    net = pynet_scene.network()
    one, two = pynet_scene.containers(net, 2)
    host.net("ip", "link", "del", bridge_of(host, net))

    wait_until(lambda: one.reaches(two.name), "the containers to talk again", 10)
    wait_until(lambda: one.seen_by(OUTSIDE4) == HOST4, "the outside to be reached again", 10)
    repairs = json.loads(command(host, "status", "--json"))["repairs"]
    assert repairs["LinkMissing"] >= 1
    assert repairs["LinkDetached"] >= 2
    assert "nothing to repair" in command(host, "reconcile", "--dry-run")


def test_a_dry_run_says_what_a_dead_pynet_would_mend(pynet_scene: Scene, revived: Plugin) -> None:
    """Without pynet it exits 1 with a line; once pynet is back it exits 0."""
    host = pynet_scene.host
    net = pynet_scene.network()
    revived.stop()
    host.net("ip", "addr", "flush", "dev", bridge_of(host, net))
    with pytest.raises(CommandFailed) as refused:
        command(host, "reconcile", "--dry-run")
    revived.start()

    assert f"is not on link '{bridge_of(host, net)}'" in refused.value.stdout
    assert "nothing to repair" in command(host, "reconcile", "--dry-run")


def test_after_a_reboot_networks_are_there_and_containers_start(
    pynet_scene: Scene, revived: Plugin, outside: Outside
) -> None:
    """The kernel has nothing of pynet's any more, the store all of it; the engine tells pynet nothing."""
    if not isinstance(revived, Plugin):
        pytest.skip("nobody can start a managed plugin before its engine; test_managed.py cuts the power instead")
    del outside
    host = pynet_scene.host
    net = pynet_scene.network("--subnet", "10.44.0.0/24")
    box = pynet_scene.container(net, "-p", "8080:80")
    revived.kill()
    host.kill_engine()
    reboot(host)
    revived.start()
    host.start_engine()
    host.docker("start", box.name)
    answers(box)

    other = pynet_scene.container(net)
    assert other.reaches(box.name)
    assert other.seen_by(OUTSIDE4) == HOST4


@pytest.fixture
def born_without_ipv6(host: Host) -> Iterator[None]:
    """A host hardened so that new links have no IPv6."""
    host.net("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    yield
    host.net("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=0")


@pytest.mark.usefixtures("born_without_ipv6")
def test_links_that_are_born_without_ipv6_get_it(pynet_scene: Scene, revived: Plugin) -> None:
    """Networks with both families work as those of the built-in driver, at once and after a reboot."""
    if not isinstance(revived, Plugin):
        pytest.skip("nobody can start a managed plugin before its engine; test_managed.py cuts the power instead")
    host = pynet_scene.host
    gateways = {"fd00:45::1": "10.45.0.0/24", "fd00:46::1": "10.46.0.0/24"}
    boxes = []
    for (gateway, subnet), driver, port in zip(gateways.items(), ("", "bridge"), ("8080:80", "8081:80"), strict=True):
        net = pynet_scene.network("--ipv6", "--subnet", subnet, "--subnet", f"{gateway[:-1]}/64", driver=driver)
        boxes.append(pynet_scene.container(net, "-p", port))
    reached = lambda: all(box.reaches(gateway) for box, gateway in zip(boxes, gateways, strict=True))  # noqa: E731
    wait_until(reached, "both gateways to answer by IPv6")
    revived.kill()
    host.kill_engine()
    reboot(host)
    revived.start()
    host.start_engine()
    for box in boxes:
        host.docker("start", box.name)
    answers(boxes[0])

    wait_until(reached, "both gateways to answer by IPv6 after the reboot")
    assert host.net("curl", "--noproxy", "*", "-s", "-g", "http://[::1]:8080/") == "hello"


def reboot(host: Host) -> None:
    """Take from the kernel what a reboot takes: pynet's links, all rules of the host, and forwarding."""
    script = "for link in $(ip -br link | grep -oE '^(pn-|pnh)[^@ ]+'); do ip link del $link; done; nft flush ruleset"
    host.net("sh", "-c", f"{script}; sysctl -qw net.ipv4.ip_forward=0")


def test_a_container_that_restarts_after_a_crash_of_the_engine_has_its_port(host: Host, scene: Scene) -> None:
    """The engine forgets the old endpoint without a word, and starts the container with the same port."""
    box = scene.container(scene.network(), "-p", "8080:80", "--restart", "always")
    host.kill_engine()
    host.start_engine()
    wait_until(lambda: box.inspect()["State"]["Running"], "the container to run again", 20)
    answers(box)
