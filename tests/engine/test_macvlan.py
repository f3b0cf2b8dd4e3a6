"""Networks of mode macvlan beside Docker's built-in macvlan driver: the same options, the same containers."""

from collections.abc import Iterator

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, LINK, OUTSIDE4
from tests.engine.lab.scene import Scene

pytestmark = pytest.mark.usefixtures("outside")

SUBNET = "198.51.100.0/24"
MODE = ("-o", "pynet.mode=macvlan")


class Lan(Scene):
    """Networks of one driver upon the link to the outside."""

    def on(self, *arguments: str, parent: str = LINK) -> str:
        """Create a network with ``parent``, "" for none, and return its name."""
        mode = () if self.driver == "macvlan" else MODE
        return self.network(*mode, *(["-o", f"parent={parent}"] if parent else []), *arguments)


@pytest.fixture(params=["macvlan", "pynet"])
def lan(request: pytest.FixtureRequest, host: Host) -> Iterator[Lan]:
    """The LAN beyond the host, with the built-in driver and with pynet."""
    name = request.getfixturevalue("pynet").name if request.param == "pynet" else request.param
    lan = Lan(host, name)
    try:
        yield lan
    finally:
        lan.close()


def test_containers_are_on_the_lan(lan: Lan) -> None:
    """They reach the machines of the LAN, each other by name, and not the host; the parent is the host's as before."""
    before = lan.host.net("ip", "-o", "addr", "show", "dev", LINK)
    net = lan.on("--subnet", SUBNET, "--gateway", OUTSIDE4, "--ip-range", "198.51.100.64/26")
    one, two = lan.containers(net, 2)

    assert one.reaches(OUTSIDE4)
    assert one.reaches(two.name)
    assert not one.reaches(HOST4)
    assert f"default via {OUTSIDE4} dev eth0" in one.exec("ip", "route")
    assert "docker_gwbridge" not in lan.host.net("ip", "-o", "link")
    assert lan.host.net("ip", "-o", "addr", "show", "dev", LINK) == before
    lan.clear()
    again = lan.container(net)
    assert again.reaches(OUTSIDE4)
