"""Networks come and go without a trace; pynet and the engine are killed, and all goes on."""

from collections.abc import Iterator

import pytest

from tests.engine.conftest import ANCHOR
from tests.engine.lab.cli import Docker
from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, OUTSIDE4
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import Plugin
from tests.engine.lab.snapshot import take, unchanged


class Pings:
    """A ping that runs in a container, ten times a second where the container's ping can."""

    def __init__(self, box: Container, target: str) -> None:
        self._box = box
        box.host.docker("exec", "-d", box.name, "sh", "-c", f"ping -i 0.2 {target} >/tmp/pings 2>&1")
        self.goes_on()

    def numbers(self) -> list[int]:
        """Sequence numbers of the answers so far."""
        lines = self._box.exec("cat", "/tmp/pings").splitlines()
        return [int(line.split("seq=")[1].split()[0]) for line in lines if "seq=" in line]

    def goes_on(self) -> None:
        """Wait for three more answers."""
        before = len(self.numbers())
        wait_until(lambda: len(self.numbers()) >= before + 3, "three more answers to the running ping")

    def without_gap(self) -> bool:
        """Whether every ping was answered."""
        numbers = self.numbers()
        return numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="plain"),
        pytest.param(("--ipv6", "--subnet", "fd00:38::/64"), id="dual-stack"),
        pytest.param(("--internal",), id="internal"),
        pytest.param(("-o", "com.docker.network.driver.mtu=1400"), id="mtu"),
    ],
)
def test_a_network_leaves_nothing_behind(scene: Scene, arguments: tuple[str, ...]) -> None:
    """A network with containers, a disconnect and a reconnect: afterwards the host is as before."""
    with unchanged(scene.host):
        net = scene.network(*arguments)
        one, _ = scene.containers(net, 2)
        scene.host.docker("network", "disconnect", net, one.name)
        scene.host.docker("network", "connect", net, one.name)
        scene.close()


def test_the_last_network_takes_pynets_rules_with_it(docker: Docker, host: Host, pynet: Plugin) -> None:
    """Without networks there is no rule, no table and no link of pynet on the host."""
    docker("network", "rm", ANCHOR)
    try:
        wait_until(lambda: not [line for line in take(host) if "pynet" in line or "pn-" in line], "pynet's rules to go")
    finally:
        docker("network", "create", "--driver", pynet.name, ANCHOR)


def test_a_published_port_leaves_nothing_behind(scene: Scene) -> None:
    """A port that was published answers while its container lives, and leaves nothing on the host."""
    with unchanged(scene.host):
        box = scene.container(scene.network(), "-p", "8080:80")
        box.host.docker("exec", "-d", box.name, "httpd", "-p", "80", "-h", "/www")
        url = "http://127.0.0.1:8080/"
        assert scene.host.net("curl", "--noproxy", "*", "-s", "--retry", "5", "--retry-connrefused", url) == "hello"
        scene.close()


@pytest.fixture
def revived(pynet: Plugin) -> Iterator[Plugin]:
    """Run pynet, and start it again if the test left it dead."""
    yield pynet
    if not pynet.pids:
        pynet.start()


@pytest.mark.usefixtures("outside")
def test_killing_pynet_disturbs_nobody(pynet_scene: Scene, revived: Plugin) -> None:
    """Containers keep talking while pynet is dead; once it is back it knows everything and serves new ones."""
    net = pynet_scene.network()
    one, two = pynet_scene.containers(net, 2)
    pings = Pings(one, two.ip(net))
    revived.kill()
    pings.goes_on()
    revived.start()
    pings.goes_on()
    assert pings.without_gap()

    third = pynet_scene.container(net)
    assert third.ip(net) not in {one.ip(net), two.ip(net)}
    assert third.reaches(one.name)
    assert third.seen_by(OUTSIDE4) == HOST4


@pytest.mark.parametrize("ipam", ["default", "pynet"])
def test_what_was_made_before_a_kill_can_be_taken_apart_after_it(
    pynet_scene: Scene, revived: Plugin, ipam: str
) -> None:
    """A network that pynet did not make in this life is removed without a trace."""
    with unchanged(pynet_scene.host):
        net = pynet_scene.network("--ipam-driver", ipam)
        pynet_scene.containers(net, 2)
        revived.kill()
        revived.start()
        pynet_scene.close()


def test_stopping_pynet_properly_leaves_the_network_alone(pynet_scene: Scene, revived: Plugin) -> None:
    """A stop and a start of the service, as an upgrade does, costs no packet."""
    net = pynet_scene.network()
    one, two = pynet_scene.containers(net, 2)
    pings = Pings(one, two.ip(net))
    revived.restart()
    pings.goes_on()
    assert pings.without_gap()


def test_the_engine_is_killed_and_comes_back(host: Host, scene: Scene) -> None:
    """After kill -9 of the engine its networks are there; old containers start again and new ones join them."""
    net = scene.network()
    one, two = scene.containers(net, 2)
    host.kill_engine()
    host.start_engine()
    assert net in host.docker("network", "ls", "--format", "{{.Name}}").split()
    host.docker("start", one.name, two.name)
    third = scene.container(net)
    assert one.reaches(two.name)
    assert third.reaches(one.name)


def test_live_restore_keeps_containers_talking_through_a_stop_of_the_engine(host: Host, scene: Scene) -> None:
    """With ``--live-restore`` containers talk on while the engine stops and starts; with pynet no packet is lost.

    The built-in driver of 28.5 was seen to lose some, as it writes its rules anew.
    """
    host.stop_engine()
    host.start_engine("--live-restore")
    net = scene.network()
    one, two = scene.containers(net, 2)
    pings = Pings(one, two.ip(net))
    host.stop_engine()
    host.start_engine("--live-restore")
    pings.goes_on()
    assert scene.driver == "bridge" or pings.without_gap()
    assert scene.container(net).reaches(one.name)
