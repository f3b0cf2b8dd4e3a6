"""Two machines on different links of the host: it routes between them only when somebody else wants that."""

from collections.abc import Callable, Iterator

import pytest

from netlink.monitor import LINKS
from plugin.model.records import Network
from plugin.reconcile.watcher import Watcher
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.kernel.test_publish import br_netfilter
from tests.unit import requests as rq

PATHS = {"4": "net.ipv4.ip_forward", "6": "net.ipv6.conf.all.forwarding"}
FAR = {"4": "198.51.100.9", "6": "2001:db8:2::9"}
NEAR = {"4": "192.0.2.9", "6": "2001:db8:1::9"}
HOST = {"4": "192.0.2.1", "6": "2001:db8:1::1"}  # on the link of the first machine
DOCKER = {"4": "172.30.9.9", "6": "fd30::9"}
families = pytest.mark.parametrize("family", ["4", "6"])
Machines = tuple[Container, Container]


@pytest.fixture
def machines(containers: list[Container]) -> Machines:
    """Two machines that route by the host, which does not forward."""
    containers += [Container(), Container()]
    connect(containers[0], "r1", "192.0.2.", "2001:db8:1::")
    connect(containers[1], "r2", "198.51.100.", "2001:db8:2::")
    return containers[0], containers[1]


@pytest.fixture
def second() -> Iterator[Pynet]:
    """Another pynet on the same host."""
    second = Pynet(name="second")
    yield second
    second.close()


def connect(machine: Container, link: str, ipv4: str, ipv6: str) -> None:
    """Put a machine on a link of the host, with its default routes through the host."""
    sh(f"ip link add {link} type veth peer name in0; ip link set in0 netns {machine.pid}")
    sh(f"sysctl -qw net.ipv6.conf.{link}.accept_dad=0")  # a router asks for machines from its link-local address
    sh(f"ip addr add {ipv4}1/24 dev {link}; ip addr add {ipv6}1/64 dev {link} nodad; ip link set {link} up")
    machine.sh(f"ip addr add {ipv4}9/24 dev in0; ip addr add {ipv6}9/64 dev in0 nodad; ip link set in0 up")
    machine.sh(f"ip route add default via {ipv4}1; ip -6 route add default via {ipv6}1")


def docker_bridge() -> Container:
    """A container of Docker's own driver, as far as the kernel sees it, with no rules of Docker's."""
    container = Container()
    sh("ip link add br-0123456789ab type bridge; sysctl -qw net.ipv6.conf.br-0123456789ab.accept_dad=0")
    sh("ip link set br-0123456789ab up")
    sh("ip addr add 172.30.9.1/24 dev br-0123456789ab; ip addr add fd30::1/64 dev br-0123456789ab nodad")
    sh(f"ip link add veth1234567 type veth peer name in0; ip link set in0 netns {container.pid}")
    sh("ip link set veth1234567 master br-0123456789ab up")
    addresses = ("ip addr add 172.30.9.9/24 dev eth0", "ip addr add fd30::9/64 dev eth0 nodad")
    sh(f"nsenter -n -t {container.pid} ip link set in0 name eth0")
    container.sh("; ".join((*addresses, "ip link set eth0 up")))
    container.sh("ip route add default via 172.30.9.1; ip -6 route add default via fd30::1")
    return container


def furnish(pynet: Pynet) -> None:
    """A network of both families, which makes the host forward."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))


def values() -> list[str]:
    """Both settings."""
    return sh(f"sysctl -n {' '.join(PATHS.values())}").split()


def watch(pynet: Pynet) -> None:
    """Do what the watcher does when it has heard of nothing."""
    Watcher(pynet.reconciler, bell=None).look(frozenset())  # type: ignore[arg-type]


@families
def test_the_host_does_not_become_a_router_for_others(pynet: Pynet, machines: Machines, family: str) -> None:
    """The host forwards for pynet's networks only, and for nobody once they are gone."""
    furnish(pynet)
    assert values() == ["2", "2"]
    assert not machines[0].reaches(FAR[family])
    assert not machines[1].reaches(NEAR[family])
    pynet.end()
    assert values() == ["0", "0"]
    assert "pynet" not in sh("nft list tables")


@families
def test_where_others_route_pynet_changes_nothing(pynet: Pynet, machines: Machines, family: str) -> None:
    """If an administrator turned forwarding on, two outside machines keep reaching each other."""
    sh(f"sysctl -qw {PATHS[family]}=1")
    furnish(pynet)
    assert machines[0].reaches(FAR[family])
    pynet.end()
    assert machines[0].reaches(FAR[family])


@families
def test_an_administrator_who_comes_later_is_seen(pynet: Pynet, machines: Machines, family: str) -> None:
    """If an administrator writes 1, the host is opened, and forwarding stays on after the last network."""
    furnish(pynet)
    sh(f"sysctl -qw {PATHS[family]}=1")
    watch(pynet)
    assert machines[0].reaches(FAR[family])
    pynet.end()
    assert machines[0].reaches(FAR[family])


@families
def test_networks_work_on_a_host_that_is_closed_to_others(
    pynet: Pynet, second: Pynet, machines: Machines, containers: list[Container], family: str
) -> None:
    """On a host that is closed to others, outbound traffic and published ports work, also of a second pynet."""
    for number, one, network_id in ((8, pynet, rq.NETWORK_ID), (7, second, rq.OTHER_ID)):
        one.driver.create_network(rq.network(network_id, f"10.{number}.0.1/24", f"fd00:{number}::1/64"))
        containers.append(Container())
        one.publish(one.attach(containers[-1], network_id, number), f"80{number}0")
        containers[-1].echo()
        assert containers[-1].reaches(FAR[family])
        assert machines[0].asks(HOST[family], 8000 + 10 * number) == NEAR[family]


@families
def test_dockers_own_bridges_are_no_way_in(
    pynet: Pynet, machines: Machines, containers: list[Container], family: str
) -> None:
    """Docker's containers get out; packets get in only if dockerd translated them, never to their own address."""
    container = docker_bridge()
    containers.append(container)
    container.echo()
    furnish(pynet)
    pynet.firewall.set_docker_bridges(frozenset({"br-0123456789ab"}))
    assert container.reaches(FAR[family])
    assert not machines[0].asks(DOCKER[family], 7777)
    ip, to = ("ip", "{}:7777") if family == "4" else ("ip6", "[{}]:7777")
    sh(f"nft 'add table {ip} n; add chain {ip} n p {{ type nat hook prerouting priority -100; }}'")
    sh(f"nft 'add rule {ip} n p tcp dport 8080 dnat to {to.format(DOCKER[family])}'")
    assert machines[0].asks(HOST[family], 8080) == NEAR[family]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@families
def test_what_a_bridge_of_others_switches_passes(
    pynet: Pynet, containers: list[Container], family: str, late: bool
) -> None:
    """Frames between the ports of a foreign bridge, as of virtual machines, pass also with br_netfilter."""
    if late:
        furnish(pynet)
    sh("ip link add lan type bridge; ip link set lan up")
    br_netfilter("1")
    for number in (1, 2):
        containers.append(Container())
        sh(f"ip link add lan{number} type veth peer name in0; ip link set lan{number} master lan up")
        sh(f"ip link set in0 netns {containers[-1].pid}")
        containers[-1].sh(f"ip addr add 10.77.0.{number}/24 dev in0; ip addr add fd77::{number}/64 dev in0 nodad")
        containers[-1].sh("ip link set in0 up")
    if late:
        Watcher(pynet.reconciler, bell=None).look(frozenset({LINKS}))  # type: ignore[arg-type]
    else:
        furnish(pynet)
    assert containers[0].reaches("10.77.0.2" if family == "4" else "fd77::2")


def restarted(pynet: Pynet) -> None:
    """Pynet is killed, and starts again."""
    again = Pynet(pynet.store)
    again.reconciler.recover()
    again.close()


def flush(pynet: Pynet) -> None:
    """Somebody flushes all rules, and pynet looks."""
    sh("nft flush ruleset")
    watch(pynet)


def reboot(pynet: Pynet) -> None:
    """The kernel forgets everything, and pynet starts."""
    turn_off()
    sh(f"ip link del {pynet.store.list(Network)[0].record.link}; nft flush ruleset")
    restarted(pynet)


def turn_off() -> None:
    """As a hardening script does."""
    sh(f"sysctl -qw {' '.join(f'{path}=0' for path in PATHS.values())}")


def turned_off(pynet: Pynet) -> None:
    """Somebody turns forwarding off, and pynet looks."""
    turn_off()
    pynet.reconciler.reconcile()


@pytest.mark.parametrize("blow", [restarted, flush, reboot, turned_off])
@families
def test_it_stays_closed(pynet: Pynet, machines: Machines, blow: Callable[[Pynet], None], family: str) -> None:
    """Whatever happens to pynet or to its rules, the host forwards for its networks and for nobody else."""
    furnish(pynet)
    blow(pynet)
    assert values() == ["2", "2"]
    assert not machines[0].reaches(FAR[family])


@families
@pytest.mark.usefixtures("machines")
def test_a_network_that_leaves_forwarding_alone_waits_for_the_administrator(
    pynet: Pynet, containers: list[Container], family: str
) -> None:
    """A network with ``forwarding=off`` reaches only the host until somebody else turns forwarding on."""
    options = {"pynet.forwarding": "off"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options))
    containers.append(Container())
    containers[-1].sh("sysctl -qw net.ipv6.conf.default.accept_dad=0")
    pynet.attach(containers[-1], rq.NETWORK_ID, 2)
    assert values() == ["0", "0"]
    assert containers[-1].reaches({"4": "10.9.0.1", "6": "fd00:9::1"}[family])
    assert not containers[-1].reaches(NEAR[family])
    sh(f"sysctl -qw {PATHS[family]}=1")
    assert containers[-1].reaches(NEAR[family])
