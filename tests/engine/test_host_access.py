"""The host and its containers on the LAN reach each other, on real engines."""

from collections.abc import Iterator

import pytest

from plugin.model.names import shim_name
from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, HOST6, LINK, OUTSIDE4, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import Plugin, command
from tests.engine.lab.shell import CommandFailed
from tests.engine.lab.snapshot import unchanged

pytestmark = pytest.mark.usefixtures("outside")

ON = ("-o", "pynet.mode=macvlan", "-o", f"parent={LINK}", "-o", "pynet.host_access=on")
LAN = ("--subnet", "198.51.100.0/24", "--gateway", OUTSIDE4, "--ip-range", "198.51.100.64/26")
LAN6 = ("--ipv6", "--subnet", "2001:db8:99::/64", "--gateway", "2001:db8:99::2")
SHIM = shim_name("pynet", LINK)


@pytest.fixture
def box(pynet_scene: Scene) -> Container:
    """A container on the LAN that the host reaches."""
    net = pynet_scene.network(*ON, *LAN, *LAN6)
    return pynet_scene.container(net, "--ip6", "2001:db8:99::64")


@pytest.fixture
def tidy(pynet_scene: Scene) -> Iterator[None]:
    """With the container everything goes."""
    with unchanged(pynet_scene.host):
        yield
        pynet_scene.close()


def meet(box: Container) -> bool:
    """Return whether host and container reach each other, in both families."""
    net = next(iter(box.inspect()["NetworkSettings"]["Networks"]))
    try:
        for address in (box.ip(net), box.ip6(net)):
            box.host.net("ping", "-c", "2", "-i", "0.2", "-W", "1", address)
    except CommandFailed:
        return False
    return box.reaches(HOST4) and box.reaches(HOST6)


@pytest.mark.usefixtures("tidy")
def test_they_meet_through_kills_and_damage(box: Container, pynet: Plugin) -> None:
    """A killed pynet is not needed for it, a new one goes on, and it repairs the way when others remove it."""
    assert meet(box)
    pynet.kill()
    assert meet(box)
    pynet.start()
    assert meet(box)
    for harm in (("link", "del", SHIM), ("route", "flush", "dev", SHIM), ("link", "set", SHIM, "down")):
        box.host.net("ip", *harm)
        wait_until(lambda: meet(box), f"the way after ip {' '.join(harm)}", 10)
    pynet.kill()
    box.host.net("ip", "link", "del", SHIM)
    pynet.start()
    wait_until(lambda: meet(box), "the way that a start makes again", 10)


@pytest.mark.usefixtures("tidy")
def test_the_option_is_switched_while_a_container_runs(box: Container) -> None:
    """Off ends the way, on makes it again; status and dry run have nothing to say."""
    net = next(iter(box.inspect()["NetworkSettings"]["Networks"]))
    command(box.host, "network", "set", net, "host_access=off")
    assert not meet(box)
    assert SHIM not in box.host.net("ip", "-br", "link")
    command(box.host, "network", "set", net, "host_access=on")

    wait_until(lambda: meet(box), "the way to be there again", 5)
    assert "nothing to repair" in command(box.host, "reconcile", "--dry-run")


def test_a_container_on_the_lan_is_outside_of_other_networks(
    box: Container, pynet_scene: Scene, host: Host, outside: Outside
) -> None:
    """It uses published ports as any machine of the LAN, and has no other way into networks of the host."""
    served = [pynet_scene.server(pynet_scene.network(), "-p", "8080:7777")]
    served += [pynet_scene.server(pynet_scene.network(driver="bridge"), "-p", "8081:7777")]
    assert all(box.seen_by(HOST4, port=port) for port in (8080, 8081))
    reached = []
    for inside in served:
        address = inside.ip(next(iter(inside.inspect()["NetworkSettings"]["Networks"])))
        for machine in (box.net, outside.exec):
            machine("ip", "route", "add", address, "via", HOST4)
            reached.append(seen_from(machine, address) != "")
        assert host.net("ping", "-c", "1", "-W", "1", address)
    assert reached[:2] == [False, False]
    assert reached[2] == reached[3]  # engines before 28 let everybody from outside reach a published port there
