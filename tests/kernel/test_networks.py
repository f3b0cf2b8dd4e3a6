"""The whole driver on a real kernel, with namespaces in the place of containers."""

from collections.abc import Iterator
from ipaddress import IPv4Interface

import pytest

from netlink.conntrack import Conntrack
from netlink.holds import Sockets
from netlink.kernel import Kernel
from netlink.nftables import Nftables, open_runner
from netlink.relay import Relay
from plugin.driver import Driver
from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.locks import Locks
from plugin.messages import CreateEndpoint, EndpointRef, Interface, Join, NetworkRef
from plugin.model import Network, Tombstone
from plugin.modes.bridge import BridgeMode
from plugin.publish.publisher import Publisher
from plugin.reaper import Reaper
from plugin.store.memory import MemoryStore
from tests.kernel.conftest import Container, sh
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]


class Pynet:
    """A driver on this test's kernel, and what the engine does with its answers."""

    def __init__(self) -> None:
        self.store, self.kernel, self.locks = MemoryStore(), Kernel(), Locks()
        self.firewall = Firewall(Nftables(open_runner()), "pynet", linger=0)
        settings = HostSettings(self.kernel, self.store)
        self.reaper = Reaper(self.kernel, self.firewall, self.store, self.locks)
        self.relay = Relay()
        self.driver = Driver(
            store=self.store,
            modes={"bridge": BridgeMode(self.kernel, self.firewall, settings, "pynet")},
            settings=settings,
            reaper=self.reaper,
            publisher=Publisher(Sockets(self.relay), self.firewall, Conntrack()),
            locks=self.locks,
        )

    def attach(self, container: Container, network_id: str, number: int) -> EndpointRef:
        """Create an endpoint with the address .NUMBER, and move its link as the engine does."""
        known = self.store.get(Network, network_id)
        assert known is not None
        subnet = known.record.subnets[0].pool
        address = IPv4Interface(f"{subnet[number]}/{subnet.prefixlen}")
        reference = EndpointRef(network_id, f"{number:02x}" * 32)
        self.driver.create_endpoint(CreateEndpoint(network_id, reference.endpoint_id, Interface(address=address)))
        reply = self.driver.join(Join(network_id, reference.endpoint_id, f"/proc/{container.pid}/ns/net"))
        route = f"ip route add default via {reply.gateway}" if reply.gateway else "true"
        container.take(reply.src_name, f"ip addr add {address} dev eth0", route)
        return reference

    def end(self) -> None:
        """Delete every network, and do at once what happens in the background."""
        for item in self.store.list(Network):
            self.driver.delete_network(NetworkRef(item.record.id))
        self.relay.close()
        for tombstone in self.store.list(Tombstone):
            self.reaper.clear(tombstone.record.link)
        self.firewall.heal()


def connect(outside: Container) -> None:
    """Make ``outside`` a machine on a network of the host's, without a route to any container."""
    sh(f"ip link add out0 type veth peer name in0; ip link set in0 netns {outside.pid}")
    sh("ip addr add 192.0.2.1/24 dev out0; ip link set out0 up")
    outside.sh("ip addr add 192.0.2.9/24 dev in0; ip link set in0 up")


@pytest.fixture
def pynet() -> Iterator[Pynet]:
    """Return a driver in the namespace of the test."""
    pynet = Pynet()
    yield pynet
    pynet.kernel.close()


@pytest.fixture
def two(containers: list[Container]) -> tuple[Container, Container]:
    """Return two containers that are attached to nothing."""
    containers += [Container(), Container()]
    return containers[0], containers[1]


def test_neighbours_reach_each_other_and_the_gateway(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Two containers of one network."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert two[0].reaches("10.9.0.3")
    assert two[0].reaches("10.9.0.1")


def test_networks_are_closed_to_each_other(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A container of another network is not reached in either direction, although the host forwards."""
    pynet.driver.create_network(rq.network())
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.OTHER_ID, 3)

    assert not two[0].reaches("10.8.0.3")
    assert not two[1].reaches("10.9.0.2")


@pytest.mark.parametrize(("internal", "reached"), [(False, True), (True, False)])
def test_outside_sees_the_host_and_internal_networks_nothing(
    pynet: Pynet, two: tuple[Container, Container], internal: bool, reached: bool
) -> None:
    """The outside has no route to the container, so an answer proves that the source was the host's address."""
    container, outside = two
    connect(outside)
    pynet.driver.create_network(rq.network(internal=internal))
    pynet.attach(container, rq.NETWORK_ID, 2)
    if internal:
        container.sh("ip route add default via 10.9.0.1")

    assert container.reaches("192.0.2.9") is reached
    outside.sh("ip route add 10.9.0.0/24 via 192.0.2.1")
    assert not outside.reaches("10.9.0.2")


def test_an_iptables_policy_of_drop_does_not_stop_pynet(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """The engine sets FORWARD to DROP; pynet's accepts stand behind the user's rules, and go with the last network."""
    container, outside = two
    sh("iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -P FORWARD DROP")
    before = sh("iptables -S")
    connect(outside)
    pynet.driver.create_network(rq.network())
    pynet.attach(container, rq.NETWORK_ID, 2)

    assert container.reaches("192.0.2.9")
    sh("iptables -A DOCKER-USER -j DROP")
    assert not container.reaches("192.0.2.9")
    sh("iptables -F DOCKER-USER")
    pynet.end()
    assert sh("iptables -S") == before


def test_the_host_is_as_before(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Links, addresses, routes, rules and settings: a network's life leaves nothing."""
    routes = "ip route show table all; ip -6 route show table all"
    look = f"ip -o addr; {routes}; nft list ruleset; sysctl -n net.ipv4.ip_forward"
    before = sh(look)
    pynet.driver.create_network(rq.network())
    pynet.driver.delete_endpoint(pynet.attach(two[0], rq.NETWORK_ID, 2))
    pynet.end()

    assert sh(look) == before
