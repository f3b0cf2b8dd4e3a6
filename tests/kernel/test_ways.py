"""A container whose gateway is on one network is reached at its address on another; answers leave by the gateway."""

import pytest

from netlink.nftables import Nftables, open_runner
from plugin.model.records import Endpoint
from plugin.modes.registry import in_its_mode
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import EndpointRef
from plugin.rebuild.networks import look, rebuild
from tests.kernel.container import Container
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

MODES = (NetworkSettings.gateway_mode_ipv4, NetworkSettings.gateway_mode_ipv6)
GATEWAY, OTHER, INNER = rq.NETWORK_ID, rq.OTHER_ID, "c3" * 32
ADDRESSES = ("10.8.0.2", "fd00:8::2")  # of the container, on the network that is not its gateway


@pytest.fixture
def outside(pynet: Pynet, two: tuple[Container, Container]) -> Container:
    """A machine beyond the host that routes to both networks; the first container is on none of them yet."""
    pynet.driver.create_network(rq.network(GATEWAY, "10.9.0.1/24", "fd00:9::1/64"))
    connect(two[1])
    for subnet, host in (("10.8.0.0/15", "192.0.2.1"), ("fd00:8::/31", "2001:db8::1")):
        two[1].sh(f"ip route add {subnet} via {host}")
    return two[1]


def on_both(pynet: Pynet, container: Container, mode: str, network: str = OTHER) -> list[EndpointRef]:
    """Attach a container to another network first, then to its gateway; it echoes."""
    internal = network == INNER
    options = {} if internal else {option.key: mode for option in MODES}
    pynet.driver.create_network(rq.network(network, "10.8.0.1/24", "fd00:8::1/64", internal=internal, options=options))
    container.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")  # no second to wait
    other = pynet.attach(container, network, 2)
    container.sh("ip link set eth0 name eth1; ip route flush default; ip -6 route flush default; true")
    gateway = pynet.attach(container, GATEWAY, 2, endpoint="aa" * 32)
    container.echo()
    return [other, gateway]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("mode", "open_"), [("nat", False), ("nat-unprotected", True)])
def test_answers_leave_by_the_gateway(
    pynet: Pynet, two: tuple[Container, Container], outside: Container, address: str, mode: str, open_: bool
) -> None:
    """Answers leave by the gateway without an option, if machines outside reach the address."""
    on_both(pynet, two[0], mode)
    assert bool(outside.asks(address, 7777)) is open_
    assert outside.reaches(address) is open_
    assert pynet.survey.look(pynet.publisher.held(), idle=True)[1] == []
    assert pynet.firewall.differences() == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_published_port_of_a_routed_network_is_reached(
    pynet: Pynet, two: tuple[Container, Container], outside: Container, address: str
) -> None:
    """Of a container on a routed network only the published port and ICMP are reached."""
    other, _ = on_both(pynet, two[0], "routed")
    pynet.publish(other, "8080")
    assert outside.asks(address, 7777)
    assert outside.reaches(address)
    assert not outside.asks(address, 7778)


def test_the_first_question_for_the_gateway_may_name_the_address(
    pynet: Pynet, two: tuple[Container, Container], outside: Container
) -> None:
    """An ARP request for the gateway may name the address of the waiting packet (arp_announce)."""
    on_both(pynet, two[0], "nat-unprotected")
    two[0].sh("ip neigh flush all; sysctl -qw net.ipv4.conf.eth0.arp_announce=0")
    assert outside.reaches(ADDRESSES[0])


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("address", ADDRESSES)
def test_the_guard_is_shut_again_when_the_container_leaves(
    pynet: Pynet, two: tuple[Container, Container], address: str
) -> None:
    """After a container left, it cannot send from the address any more, though it keeps it."""
    other, _ = on_both(pynet, two[0], "nat-unprotected")
    assert sends(two[0], address)
    pynet.driver.leave(other)
    assert not sends(two[0], address)


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_of_an_internal_network_does_not_get_out(
    pynet: Pynet, two: tuple[Container, Container], address: str
) -> None:
    """A container on an internal and another network does not send from its internal address by the other."""
    on_both(pynet, two[0], "", INNER)
    assert two[0].reaches("2001:db8::9" if ":" in address else "192.0.2.9")
    assert not sends(two[0], address)


def sends(container: Container, address: str) -> bool:
    """Say whether a ping from one of its addresses is answered from outside."""
    target = "2001:db8::9" if ":" in address else "192.0.2.9"
    return "1 received" in container.sh(f"ping -c1 -W1 -I {address} {target} || true")


def test_ways_are_rebuilt_from_the_kernel(pynet: Pynet, two: tuple[Container, Container], outside: Container) -> None:
    """After a loss of the state the ways are rebuilt, and answers of running containers still leave."""
    on_both(pynet, two[0], "nat-unprotected")
    nft = Nftables(open_runner())
    rebuilt = rebuild(look(pynet.kernel, nft, "pynet"), "pynet", [], in_its_mode)
    nft.close()
    found = [record for record in rebuilt if isinstance(record, Endpoint)]
    known = [item.record for item in pynet.store.list(Endpoint)]
    assert {(end.id, end.ipv4, end.ipv6, end.ways) for end in found} == {
        (end.id, end.ipv4, end.ipv6, end.ways) for end in known
    }
    assert any(end.ways for end in found)
    assert outside.reaches(ADDRESSES[0])
