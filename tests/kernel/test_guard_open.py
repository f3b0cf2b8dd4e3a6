"""The guard opened as far as needed and no further, and its drops counted."""

import pytest

from netlink.counters import Counters
from netlink.errors import Missing
from plugin.engine.names import Known
from plugin.observe.drops import Drops
from plugin.protocol.messages import Drop
from tests.kernel.container import Container, sh
from tests.kernel.hosts import soon
from tests.kernel.pynet import Pynet
from tests.kernel.wire.single import between, passes
from tests.unit import requests as rq

FLOATING, FLOATING6, NESTED = "10.9.0.200", "fd00:9::200", "02:00:00:00:00:05"


def attach(pynet: Pynet, two: tuple[Container, Container], allow: str) -> None:
    """Attach two containers, of which the second may send from more than its own."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3, guard_allow=allow)


@pytest.mark.parametrize("address", [FLOATING, FLOATING6])
@pytest.mark.parametrize("allow", [f"{FLOATING},{FLOATING6}", "10.9.0.192/26,fd00:9::/64", ""])
def test_a_floating_address_is_reached_where_it_is_allowed(
    pynet: Pynet, two: tuple[Container, Container], address: str, allow: str
) -> None:
    """With the option a floating address works, with ARP and neighbour discovery; without it nothing passes."""
    attach(pynet, two, allow)
    length, nodad = ("/64", "nodad") if ":" in address else ("/24", "")
    two[1].sh(f"ip addr add {address}{length} dev eth0 {nodad}")

    assert two[0].reaches("10.9.0.3")
    assert soon(lambda: two[0].reaches(address)) if allow else not two[0].reaches(address)


def test_a_router_carries_packets_of_others(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """With all addresses allowed, a container routes for its neighbour."""
    attach(pynet, two, "0.0.0.0/0")
    two[1].sh("sysctl -qw net.ipv4.ip_forward=1; ip addr add 198.51.100.1/32 dev lo")
    two[0].sh("ip route add 198.51.100.1 via 10.9.0.3")

    assert two[0].reaches("198.51.100.1")


def test_a_nested_machine_has_a_mac_of_its_own(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A macvlan in the container may send from its allowed MAC, and from no other."""
    attach(pynet, two, f"{NESTED},{FLOATING}")
    nested = f"ip link add vm0 link eth0 address {NESTED} type macvlan mode bridge; ip addr add {FLOATING}/24 dev vm0"
    two[1].sh(f"{nested}; ip link set vm0 up; ip route add 10.9.0.2/32 dev vm0 src {FLOATING}")

    assert two[0].reaches(FLOATING)
    two[1].sh("ip link set vm0 down; ip link set vm0 address 02:00:00:00:00:06; ip link set vm0 up")
    two[1].sh(f"ip route replace 10.9.0.2/32 dev vm0 src {FLOATING}")
    two[0].sh("ip neigh flush all")
    assert not two[0].reaches(FLOATING)


def test_link_local_addresses_of_the_engine_talk_where_they_are_allowed(
    pynet: Pynet, two: tuple[Container, Container]
) -> None:
    """``--link-local-ip``, of which the engine does not tell the driver, works where it is allowed."""
    options = {"pynet.guard_allow": "169.254.0.0/16"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", options=options))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)
        container.sh(f"ip addr add 169.254.1.{number}/16 dev eth0")

    assert two[0].reaches("169.254.1.3")


@pytest.mark.parametrize(("guard", "expected"), [("on", False), ("off", True)])
def test_the_guard_of_one_endpoint_is_its_own(
    pynet: Pynet, two: tuple[Container, Container], guard: str, expected: bool
) -> None:
    """An endpoint without a guard on a guarded network leaves its neighbour guarded."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3, guard=guard)

    assert passes("MAC of nobody", between(3, 2), two[1], two[0]) is expected
    assert not passes("MAC of nobody", between(2, 3), two[0], two[1])


def test_drops_are_counted_by_network_and_reason(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """The kernel counts drops by network and reason, and does not count packets that pass."""
    attach(pynet, two, "")
    drops = Drops(Counters(), pynet.store, "pynet", Known)
    for kind in ("MAC of nobody", "router advertisement", "DHCP offer"):
        assert not passes(kind, between(3, 2), two[1], two[0])
    assert two[0].reaches("10.9.0.3")

    assert drops.by_network() == [Drop(rq.NETWORK_ID, reason, 1) for reason in ("dhcp", "mac", "router")]
    assert pynet.survey.look(pynet.publisher.held(), idle=True)[1] == []
    assert pynet.firewall.differences() == []


def test_counters_of_no_table_are_missing() -> None:
    """Without the table the kernel reports missing counters, and pynet takes that for no drops."""
    with pytest.raises(Missing, match="list counters of nftables set 'bridge pynet drops'"):
        Counters().counted("bridge", "pynet", "drops")
    assert "02:42:0a:09:00:03" not in sh("nft list ruleset")
