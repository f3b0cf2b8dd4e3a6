"""No order of starts makes the host a router for others: two machines beyond it, behind different links.

Hosts of their own, which do not forward at first, as after a boot. Only the policy of FORWARD tells whether dockerd
took forwarding for off.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.engine.lab import image, service
from tests.engine.lab.engines import Engine
from tests.engine.lab.host import Host
from tests.engine.lab.outside import (
    HOST4,
    HOST6,
    OTHER4,
    OTHER6,
    Outside,
)
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import Plugin

PATHS = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
OWN = "172.30.9.9"
SOON = 5.0  # seconds in which pynet has seen what others did


class Place:
    """A host between two machines, with neither engine nor pynet yet."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.pynet = Plugin(host, "pynet", service.PYNET)
        self._stack = ExitStack()
        self._scenes: list[Scene] = []
        self.boot()

    def boot(self) -> None:
        """Let the host forward nothing, and know two machines."""
        self.host.net("sysctl", "-qw", *(f"{path}=0" for path in PATHS.values()))
        self.near = self._stack.enter_context(Outside(self.host))
        self.far = self._stack.enter_context(Outside(self.host, second=True))
        for machine in (self.near, self.far):
            machine.route("0.0.0.0/0")
            machine.route("::/0")

    def scene(self, driver: str) -> Scene:
        """A scene that is closed with the place."""
        scene = Scene(self.host, driver)
        self._scenes.append(scene)
        return scene

    def reboot(self, *starts: Callable[[], None]) -> None:
        """Cut the power, boot, and start what is to run, in that order."""
        self._stack.close()
        if self.pynet.pids:
            self.pynet.kill()
        self.host.cut_power()
        self.host.boot()
        self.boot()
        for start in starts:
            start()

    def close(self) -> None:
        """Remove everything that a test made."""
        for scene in self._scenes:
            scene.close()
        self.pynet.stop()
        self._stack.close()

    def value(self, version: int) -> str:
        """The setting."""
        return self.host.net("sysctl", "-n", PATHS[version]).strip()

    def policy(self, version: int) -> str:
        """The policy of FORWARD."""
        return self.host.net("ip6tables" if version == 6 else "iptables", "-S", "FORWARD").splitlines()[0].split()[-1]

    def routes(self, version: int) -> bool:
        """Whether the near machine reaches the far one through the host."""
        return bool(seen_from(self.near.exec, OTHER6 if version == 6 else OTHER4))


@pytest.fixture
def place(engine: Engine) -> Iterator[Place]:
    """A host between two machines."""
    with Host(engine, "router") as host:
        place = Place(host)
        try:
            yield place
        finally:
            place.close()


def works(place: Place, box: Container, version: int = 4) -> bool:
    """Whether a container gets out and its published port is reached."""
    far, host = (OTHER6, HOST6) if version == 6 else (OTHER4, HOST4)
    return bool(box.seen_by(far)) and bool(seen_from(place.near.exec, host, "tcp", 8080))


@pytest.mark.parametrize("order", ["dockerd alone", "pynet first", "dockerd first"])
def test_after_a_reboot_the_host_is_as_with_docker_alone(place: Place, order: str) -> None:
    """After a reboot dockerd sets its policy as without pynet, whichever of the two starts first."""
    host, own = place.host, place.scene("bridge")
    host.start_engine()
    image.load(host.docker)
    other = own.container(own.network("--subnet", "172.30.9.0/24"), "--restart", "always", "--ip", OWN)
    starts = [] if order == "dockerd alone" else [place.pynet.start]
    for start in starts:
        start()
    scene = place.scene("pynet") if starts else own
    box = scene.container(scene.network(), "-p", "8080:7777")
    place.reboot(*(*starts, host.start_engine) if order == "pynet first" else (host.start_engine, *starts))

    wait_until(lambda: other.inspect()["State"]["Running"], "the container to run", 30)
    host.docker("start", box.name)
    scene.echo(box)
    own.echo(other)
    assert (place.value(4), place.policy(4)) == ("1", "DROP")
    assert not place.routes(4)
    assert not seen_from(place.near.exec, OWN)
    wait_until(lambda: works(place, box), "the container to get out and be reached", SOON)


@pytest.mark.parametrize("order", ["pynet first", "dockerd first"])
def test_where_an_administrator_routes_nothing_changes(place: Place, order: str) -> None:
    """Forwarding is on before both: no policy, and the two machines reach each other."""
    host = place.host
    host.net("sysctl", "-qw", *(f"{path}=1" for path in PATHS.values()))
    starts = (place.pynet.start, host.start_engine)
    for start in starts if order == "pynet first" else reversed(starts):
        start()
    image.load(host.docker)
    scene = place.scene("pynet")
    net = scene.network("--ipv6", "--subnet", "10.44.0.0/24", "--subnet", "fd44::/64")
    scene.container(net)
    assert [place.value(version) for version in PATHS] == ["1", "1"]
    assert [place.routes(version) for version in PATHS] == [True, True]
    scene.close()
    assert [place.routes(version) for version in PATHS] == [True, True]


def test_ipv6_is_closed_without_a_reboot(place: Place) -> None:
    """The first IPv6 network is pynet's: the way out and ports work, and nobody else is routed."""
    host = place.host
    host.start_engine()
    image.load(host.docker)
    place.pynet.start()
    scene = place.scene("pynet")
    box = scene.server(scene.network("--ipv6", "--subnet", "fd44::/64"), "-p", "8080:7777")
    assert works(place, box, 6)
    assert (place.value(6), place.routes(6)) == ("2", False)
    scene.close()
    assert place.value(6) == "0"


def test_ipv6_networks_of_docker_find_it_off(place: Place) -> None:
    """Docker's first IPv6 network comes after pynet's: dockerd does as it does alone."""
    host = place.host
    host.start_engine()
    image.load(host.docker)
    place.pynet.start()
    scene, own = place.scene("pynet"), place.scene("bridge")
    scene.network("--ipv6", "--subnet", "fd44::/64")
    own.network("--ipv6", "--subnet", "fd45::/64")
    opened = lambda: "elements" not in host.net("nft", "list", "set", "inet", "pynet", "pynet_forwarding")  # noqa: E731
    wait_until(opened, "pynet to leave forwarding to dockerd", SOON)
    scene.close()
    assert place.value(6) == "1"
    if place.host.engine.at_least_28:  # 20.10 sets no policy for IPv6
        assert place.policy(6) == "DROP"
        assert not place.routes(6)


@pytest.mark.parametrize("more", [(), ("--iptables=false",)], ids=["iptables", "no-iptables"])
def test_a_host_that_shall_not_route_does_not(place: Place, more: tuple[str, ...]) -> None:
    """With --ip-forward=false containers of pynet's get out and are reached, others do not, and it is put back."""
    host = place.host
    host.start_engine("--ip-forward=false", *more)
    image.load(host.docker)
    place.pynet.start()
    scene = place.scene("pynet")
    box = scene.server(scene.network(), "-p", "8080:7777")
    own = place.scene("bridge")
    other = own.server(own.network("--subnet", "172.30.9.0/24"), "--ip", OWN)
    assert works(place, box)
    assert (place.value(4), place.routes(4)) == ("2", False)
    assert not seen_from(place.near.exec, OWN)
    assert other.seen_by(OTHER4)
    own.close()
    scene.close()
    assert place.value(4) == "0"
