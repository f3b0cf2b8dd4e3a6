"""Networks of mode macvlan on a real kernel: a LAN with a machine on it, and containers beside that machine."""

import pytest

from plugin.errors import Conflict, Failed
from plugin.model.records import Network
from plugin.protocol.messages import CreateNetwork
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

LAN, ROUTER, ROUTER6 = "out0", "192.0.2.9", "2001:db8::9"


def on_lan(network_id: str = rq.NETWORK_ID, parent: str = LAN, **options: str) -> CreateNetwork:
    """Return a request for a network on the LAN of ``connect``, whose other machine is the router."""
    generic = {"pynet.mode": "macvlan", "parent": parent, **options}
    return rq.network(network_id, f"{ROUTER}/24", f"{ROUTER6}/64", options=generic)


@pytest.fixture
def lan(containers: list[Container]) -> Container:
    """A machine on the LAN of the host."""
    containers.append(Container())
    connect(containers[-1])
    return containers[-1]


def test_a_container_is_on_the_lan(pynet: Pynet, two: tuple[Container, Container], lan: Container) -> None:
    """Containers reach the machines of the LAN and each other, but not the host; nothing of them stays on it."""
    pynet.driver.create_network(on_lan())
    before = sh("ip -br link; nft list ruleset")
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)

    assert all(two[0].reaches(address) for address in (ROUTER, ROUTER6, "192.0.2.3", "2001:db8::3"))
    assert lan.reaches("192.0.2.2")
    assert not two[0].reaches("192.0.2.1")
    assert "inet6 fe80::" in two[0].sh("ip -6 addr show dev eth0")
    assert f"default via {ROUTER} dev eth0" in two[0].sh("ip route")
    assert sh("ip -br link; nft list ruleset") == before


@pytest.mark.usefixtures("lan")
def test_two_containers_cannot_have_one_mac(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A MAC of the parent, or of a child that is up in any namespace, is refused; nothing of it is left."""
    pynet.driver.create_network(on_lan())
    sh(f"ip link add other link {LAN} type macvlan mode bridge; ip link set other netns {two[0].pid}")
    two[0].sh("ip link set other address 02:00:00:00:00:77 up")
    parents = sh(f"ip -br link show {LAN}").split()[2]
    for mac in ("02:00:00:00:00:77", parents):
        with pytest.raises(Conflict, match=f"MAC address '{mac}' is already in use on '{LAN}'"):
            pynet.driver.create_endpoint(rq.endpoint("192.0.2.2/24", mac=mac))

    assert "pnc" not in sh("ip link")


def hears(pynet: Pynet, command: str) -> frozenset[str]:
    """Run a command and return what the monitor hears of it."""
    with pynet.monitor() as monitor:
        sh(command)
        return monitor.wait(2.0)


def test_a_parent_is_followed_when_it_is_renamed(
    pynet: Pynet, two: tuple[Container, Container], lan: Container
) -> None:
    """The monitor hears of the new name; the next container is made by it, and the running one goes on."""
    pynet.driver.create_network(on_lan())
    pynet.attach(two[0], rq.NETWORK_ID, 2)

    heard = hears(pynet, f"ip link set {LAN} name uplink")
    pynet.reconciler.look_at_links({LAN})

    assert "link out0" in heard
    assert [item.record.link for item in pynet.store.list(Network)] == ["uplink"]
    pynet.attach(two[1], rq.NETWORK_ID, 3)
    assert two[0].reaches("192.0.2.3")
    assert lan.reaches("192.0.2.2")
    assert pynet.reconciler.reconcile() == []


def test_a_vanished_parent_is_told_and_found_again(
    pynet: Pynet, two: tuple[Container, Container], lan: Container, containers: list[Container]
) -> None:
    """Its containers have no link any more: that is said until they are started again upon the new one."""
    pynet.driver.create_network(on_lan())
    first = pynet.attach(two[0], rq.NETWORK_ID, 2)

    heard = hears(pynet, f"ip link del {LAN}")
    gone = pynet.reconciler.reconcile()
    with pytest.raises(Failed, match="'out0', the parent of the network, is gone, and the links of its containers"):
        pynet.attach(two[1], rq.NETWORK_ID, 3)
    connect(lan)
    back = pynet.reconciler.reconcile()

    assert "link out0" in heard
    assert [(each.kind, "bring it back" in each.error) for each in gone] == [("ParentAstray", True)]
    assert [each.kind for each in back if not each.error] == ["ParentAstray"]
    assert [each.kind for each in pynet.reconciler.reconcile()] == ["EndpointCut"]
    pynet.driver.delete_endpoint(first)
    assert pynet.reconciler.reconcile() == []
    containers.append(Container())
    pynet.attach(containers[-1], rq.NETWORK_ID, 4)
    assert lan.reaches("192.0.2.4")


def test_containers_without_a_parent_reach_each_other(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """They are on a link without a wire, which goes with the network; it is made again when somebody deletes it."""
    before = sh("ip -br link")
    pynet.driver.create_network(on_lan(parent=""))
    ends = [pynet.attach(container, rq.NETWORK_ID, number) for number, container in enumerate(two, 2)]
    assert two[0].reaches("192.0.2.3")
    assert two[0].reaches("2001:db8::3")
    assert two[0].sh("ip route show default") == ""

    sh(f"ip link del pnd{rq.NETWORK_ID[:12]}")
    assert [each.kind for each in pynet.reconciler.reconcile()] == ["ParentAstray"]
    assert sh(f"ip link show pnd{rq.NETWORK_ID[:12]}")
    for end in ends:
        pynet.driver.delete_endpoint(end)
    pynet.end()
    assert sh("ip -br link") == before


def test_passthru_leaves_the_mac_of_the_parent(pynet: Pynet, two: tuple[Container, Container], lan: Container) -> None:
    """The one container has the parent's MAC, so that the engine gives the parent no other one."""
    mac = sh(f"ip -br link show {LAN}").split()[2]
    pynet.driver.create_network(on_lan(macvlan_mode="passthru"))
    pynet.attach(two[0], rq.NETWORK_ID, 2)

    assert two[0].sh("ip -br link show eth0").split()[2] == mac
    assert lan.reaches("192.0.2.2")
    assert sh(f"ip -br link show {LAN}").split()[2] == mac
    with pytest.raises(Conflict, match="passthru"):
        pynet.driver.create_network(on_lan(rq.OTHER_ID))
