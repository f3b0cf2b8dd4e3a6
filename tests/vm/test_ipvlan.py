"""Networks of mode ipvlan on a kernel that has it: who reaches whom in each of its modes."""

import pytest

from plugin.errors import Conflict
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq
from tests.vm.lan import HOST, LAN, ROUTER, ROUTER6, behind_host, on_lan

Two = tuple[Container, Container]


def attach(pynet: Pynet, two: Two) -> None:
    """Start two containers in the network."""
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)


def test_in_l2_a_container_is_on_the_lan(pynet: Pynet, two: Two, router: Container) -> None:
    """With the parent's MAC, containers reach the LAN and each other, but not the host; the host is as before."""
    before = sh("ip -br addr; nft list ruleset")
    pynet.driver.create_network(on_lan("ipvlan"))
    attach(pynet, two)

    assert all(two[0].reaches(address) for address in (ROUTER, ROUTER6, "192.0.2.3", "2001:db8::3"))
    assert router.reaches("192.0.2.2")
    assert not two[0].reaches(HOST)
    assert two[0].sh("ip -br link show eth0").split()[2] == sh(f"ip -br link show {LAN}").split()[2]
    assert f"default via {ROUTER} dev eth0" in two[0].sh("ip route")
    pynet.end()
    assert sh("ip -br addr; nft list ruleset") == before


@pytest.mark.usefixtures("router")
def test_private_containers_do_not_reach_each_other(pynet: Pynet, two: Two) -> None:
    """Both reach the LAN."""
    pynet.driver.create_network(on_lan("ipvlan", ipvlan_flag="private"))
    attach(pynet, two)

    assert all(container.reaches(ROUTER) for container in two)
    assert not two[0].reaches("192.0.2.3")


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_in_l3_the_parent_routes(pynet: Pynet, two: Two, router: Container, mode: str) -> None:
    """Subnets of one parent reach each other without a router or ARP, and the LAN with a route by the host."""
    for identity, container in zip((rq.NETWORK_ID, rq.OTHER_ID), two, strict=True):
        pynet.driver.create_network(behind_host(identity, ipvlan_mode=mode))
        pynet.attach(container, identity, 2, f"{identity[:2]}02" * 16)

    assert two[0].sh("ip route show default").split() == ["default", "dev", "eth0", "scope", "link"]
    assert all(two[0].reaches(address) for address in ("10.8.0.2", "fd00:8::2"))
    assert two[0].sh("ip neigh") == ""
    assert not router.reaches("10.7.0.2")
    router.sh(f"ip route add 10.7.0.0/24 via {HOST}; ip -6 route add fd00:7::/64 via 2001:db8::1")
    assert all(router.reaches(address) for address in ("10.7.0.2", "fd00:7::2"))


@pytest.mark.usefixtures("router")
def test_without_a_default_route_a_second_network_can_have_it(pynet: Pynet, two: Two) -> None:
    """The engine would fail with "file exists": in l3 both networks had a default route."""
    pynet.driver.create_network(behind_host(ipvlan_mode="l3", **{"pynet.default_route": "off"}))
    attach(pynet, two)

    assert two[0].sh("ip route show default") == ""
    assert two[0].reaches("10.7.0.3")


@pytest.mark.usefixtures("router")
def test_a_second_mode_would_change_running_containers(pynet: Pynet, two: Two) -> None:
    """It is refused; the kernel, asked without pynet, does turn them to it."""
    pynet.driver.create_network(on_lan("ipvlan"))
    attach(pynet, two)
    for other in (behind_host(rq.OTHER_ID, ipvlan_mode="l3"), on_lan("macvlan", rq.OTHER_ID)):
        with pytest.raises(Conflict):
            pynet.driver.create_network(other)
    assert "ipvlan mode l2" in " ".join(two[0].sh("ip -d link show eth0").split())

    sh(f"ip link add link {LAN} name child0 type ipvlan mode l3")
    assert "ipvlan mode l3" in " ".join(two[0].sh("ip -d link show eth0").split())


@pytest.mark.usefixtures("router")
@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_the_host_reaches_its_containers(pynet: Pynet, two: Two, mode: str) -> None:
    """With the option, both ways and in both families; nothing of it stays."""
    before = sh("ip -br link; ip route; ip -6 route")
    options = {"ipvlan_mode": mode, "pynet.host_access": "on"}
    pynet.driver.create_network(on_lan("ipvlan", **options) if mode == "l2" else behind_host(**options))
    reference = pynet.attach(two[0], rq.NETWORK_ID, 2)
    own, own6 = ("192.0.2.2", "2001:db8::2") if mode == "l2" else ("10.7.0.2", "fd00:7::2")

    sh(f"ping -c 1 -W 2 {own}; ping -c 1 -W 2 {own6}")
    assert two[0].reaches(HOST)
    assert two[0].reaches("2001:db8::1")
    pynet.driver.delete_endpoint(reference)
    pynet.end()
    assert sh("ip -br link; ip route; ip -6 route") == before


@pytest.mark.usefixtures("router")
@pytest.mark.parametrize(("check", "reaches"), [("1", False), ("2", True)], ids=["strict", "loose"])
def test_a_strict_check_of_senders_keeps_containers_from_the_host(
    pynet: Pynet, two: Two, check: str, *, reaches: bool
) -> None:
    """They come in by the parent, and the way back is another link: so rp_filter 1 drops them, as the guide says."""
    sh(f"sysctl -qw net.ipv4.conf.all.rp_filter={check} net.ipv4.conf.{LAN}.rp_filter={check}")
    pynet.driver.create_network(on_lan("ipvlan", **{"pynet.host_access": "on"}))
    pynet.attach(two[0], rq.NETWORK_ID, 2)

    assert two[0].reaches(HOST) == reaches
    assert two[0].reaches("2001:db8::1")
    assert sh(f"sysctl -n net.ipv4.conf.{LAN}.rp_filter").strip() == check
