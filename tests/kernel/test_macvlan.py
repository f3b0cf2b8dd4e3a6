"""Networks of mode macvlan on a real kernel: a LAN with a machine on it, and containers beside that machine."""

import pytest

from plugin.errors import Conflict
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
