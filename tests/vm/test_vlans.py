"""VLANs of a link as parents: made, shared, taken over, lost."""

import pytest

from plugin.errors import Conflict
from plugin.protocol.messages import NetworkRef
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq
from tests.vm.lan import LAN, ROUTER, ROUTER6, add_vlan, on_lan

VLAN = f"{LAN}.50"


def links() -> str:
    """Return the names of the links of the host."""
    return sh("ip -br link")


@pytest.mark.parametrize("mode", ["macvlan", "ipvlan"])
def test_a_container_is_in_a_vlan(pynet: Pynet, two: tuple[Container, Container], router: Container, mode: str) -> None:
    """The VLAN is made for the first network, used by the second, and goes with the last one."""
    add_vlan(router, 50)
    before = links()
    for identity, container in zip((rq.NETWORK_ID, rq.OTHER_ID), two, strict=True):
        pynet.driver.create_network(on_lan(mode, identity, VLAN))
        pynet.attach(container, identity, int(identity[:1], 16), f"{identity[:2]}02" * 16)

    assert all(two[0].reaches(address) for address in (ROUTER, ROUTER6, "192.0.2.11"))
    assert "vlan protocol 802.1Q id 50" in sh(f"ip -d link show {VLAN}")
    pynet.driver.delete_network(NetworkRef(rq.NETWORK_ID))
    assert VLAN in links()
    pynet.driver.delete_network(NetworkRef(rq.OTHER_ID))
    assert links() == before


@pytest.mark.usefixtures("router")
def test_a_users_vlan_stays(pynet: Pynet) -> None:
    """One that was there is used and left; under another name it cannot be made a second time."""
    sh(f"ip link add link {LAN} name {VLAN} type vlan id 50; ip link add link {LAN} name sixty type vlan id 60")
    before = links()
    pynet.driver.create_network(on_lan("macvlan", parent=VLAN))
    with pytest.raises(Conflict, match=f"another link of '{LAN}' has VLAN 60 already: give its name"):
        pynet.driver.create_network(on_lan("macvlan", rq.OTHER_ID, f"{LAN}.60"))

    pynet.end()
    assert links() == before


def test_a_vlan_that_vanished_is_made_again(pynet: Pynet, two: tuple[Container, Container], router: Container) -> None:
    """The kernel deletes the containers' links with it; containers that start afterwards are on the LAN again."""
    add_vlan(router, 50)
    pynet.driver.create_network(on_lan("macvlan", parent=VLAN))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    sh(f"ip link del {VLAN}")
    assert "eth0" not in two[0].sh("ip -br link")

    pynet.reconciler.reconcile()
    pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert two[1].reaches(ROUTER)
