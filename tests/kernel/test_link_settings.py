"""Whatever a new link inherits from ``conf/default``, networks work in both families, also after a reboot."""

from collections.abc import Sequence

import pytest
import structlog.testing

from netlink.devconf import ADDR_GEN_MODE, IPV4, IPV6, read_settings
from plugin.errors import Unsupported
from plugin.host.link_settings import CLOSED_IPV4, CLOSED_IPV6
from plugin.host.router_advertisements import deaf_links
from plugin.model.records import Network, Tombstone
from tests.kernel.container import Container, host_asks, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

BRIDGE = "pn-a1a1a1a1a1a1"
DEFAULT4, DEFAULT6 = "net.ipv4.conf.default.", "net.ipv6.conf.default."
BAD = [
    *(f"{DEFAULT4}{name}=1" for name in (*CLOSED_IPV4, "route_localnet")),
    *(f"{DEFAULT4}{setting}" for setting in ("forwarding=0", "rp_filter=2", "arp_ignore=8", "arp_announce=2")),
    *(f"{DEFAULT6}{name}=1" for name in CLOSED_IPV6),
    *(f"{DEFAULT6}{setting}" for setting in ("disable_ipv6=1", "forwarding=0", "accept_ra=2", "accept_dad=2")),
    *(f"{DEFAULT6}{setting}" for setting in ("addr_gen_mode=3", "dad_transmits=5", "stable_secret=fd00::1")),
    "net.ipv6.conf.all.disable_ipv6=1",
]
HARMLESS = {"arp_announce=1", "arp_announce=2", "arp_filter=1", "arp_ignore=1", "rp_filter=1", "rp_filter=2"}
HARMLESS |= {"route_localnet=1", "dad_transmits=5"}
TOLD = {"ipv4": IPV4, "ipv6": (*IPV6, ADDR_GEN_MODE)}
MINE_BAD = "net.ipv4.conf.br-mine.proxy_arp=1 net.ipv4.conf.br-mine.rp_filter=1"
MINE = {"com.docker.network.bridge.name": "br-mine"}


def use(pynet: Pynet, containers: list[Container], number: int) -> tuple[Container, list[bool]]:
    """Start a container with a published port; say whether gateway, port and way out work in both families."""
    containers.append(Container())
    reference = pynet.attach(containers[-1], rq.NETWORK_ID, number)
    pynet.publish(reference, "8080")
    containers[-1].echo()
    ways = [containers[-1].reaches(there) for there in ("10.9.0.1", "fd00:9::1", "192.0.2.9", "2001:db8::9")]
    ways += [bool(containers[0].asks(here, 8080)) for here in ("192.0.2.1", "2001:db8::1")]
    return containers[-1], [*ways, bool(host_asks("127.0.0.1", 8080))]


def reboot(pynet: Pynet, links: Sequence[str]) -> Pynet:
    """Take pynet's links and rules from the kernel, and start again on the same store."""
    for link in links:
        sh(f"ip link del {link}")
    sh("nft flush ruleset; sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
    pynet.close()
    again = Pynet(pynet.store)
    again.reconciler.recover()
    for item in again.store.list(Tombstone):
        again.reaper.clear(item.record.link)
    return again


@pytest.mark.parametrize("bad", BAD)
def test_nothing_depends_on_what_links_inherit(pynet: Pynet, containers: list[Container], bad: str) -> None:
    """Before and after a reboot, and there is nothing to repair then; the uplink and lo are older than the setting."""
    containers.append(Container())
    connect(containers[0])
    sh(f"sysctl -qw {bad}; sysctl -qw net.ipv6.conf.lo.disable_ipv6=0 net.ipv6.conf.out0.disable_ipv6=0")
    sh("ip addr replace 2001:db8::1/64 dev out0 nodad; ip addr replace ::1/128 dev lo")
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    _, before = use(pynet, containers, 2)
    left = pynet.survey.look(pynet.publisher.held(), idle=True)[1]
    again = reboot(pynet, [BRIDGE, "pnh020202020202"])
    _, after = use(again, containers, 3)
    again.close()

    assert (before, after, left) == ([True] * 7, [True] * 7, [])


@pytest.mark.parametrize("bad", [setting for setting in BAD if "default" in setting and "stable_secret" not in setting])
def test_what_is_changed_on_a_bridge_is_repaired(pynet: Pynet, containers: list[Container], bad: str) -> None:
    """A value that does as well is left; after a repair everything works, and there is nothing left to repair."""
    containers.append(Container())
    connect(containers[0])
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    _, before = use(pynet, containers, 2)
    sh(f"sysctl -qw {bad.replace('.default.', f'.{BRIDGE}.')}")
    kinds = {repair.kind for repair in pynet.reconciler.reconcile()}

    assert kinds <= {"SettingChanged", "AddressMissing"}
    assert bool(kinds) == (bad.rpartition(".")[2] not in HARMLESS)
    assert pynet.survey.look(pynet.publisher.held(), idle=True)[1] == []
    assert [containers[1].reaches(there) for there in ("10.9.0.1", "fd00:9::1", "2001:db8::9")] == [True] * 3
    assert before == [True] * 7


@pytest.mark.parametrize("bad", ["net.ipv4.conf.default.forwarding=0", "net.ipv6.conf.default.disable_ipv6=1"])
def test_a_users_bridge_gets_what_it_needs_and_has_it_back_later(
    pynet: Pynet, containers: list[Container], bad: str
) -> None:
    """Its user's other settings are left alone; it works also after pynet has started again."""
    containers.append(Container())
    connect(containers[0])
    sh(f"sysctl -qw net.ipv4.ip_forward=1 {bad}; ip link add br-mine type bridge; sysctl -qw {MINE_BAD}")
    settings = "sysctl -a -r '^net.ipv[46].conf.br-mine' | grep -v mtu"
    found = sh(settings)
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=MINE))
    _, before = use(pynet, containers, 2)
    again = Pynet(pynet.store)
    again.reconciler.recover()
    left = again.survey.look(pynet.publisher.held(), idle=True)[1]
    again.end()
    again.close()

    assert (before, left) == ([True] * 7, [])
    assert sh(settings) == found


def test_the_kernel_tells_what_stands_in_its_files(pynet: Pynet) -> None:
    """The settings in netlink's arrays have the same values as the files below /proc/sys."""
    sh("ip link add name br type bridge")
    for family, names in (("ipv4", IPV4), ("ipv6", IPV6)):
        for name in names:
            before = _told(pynet)
            sh(f"echo 1 > /proc/sys/net/{family}/conf/br/{name}")
            changed = {path for path, value in _told(pynet).items() if before[path] != value}
            sh(f"echo 0 > /proc/sys/net/{family}/conf/br/{name}")
            changed |= {path for path, value in _told(pynet).items() if before[path] != value}
            assert changed - {"net/ipv6/conf/br/addr_gen_mode"} == {f"net/{family}/conf/br/{name}"}


def _told(pynet: Pynet) -> dict[str, str]:
    paths = [f"net/{family}/conf/br/{name}" for family, names in TOLD.items() for name in names]
    return read_settings(paths, next(link for link in pynet.kernel.links() if link.name == "br").settings)


def test_an_mtu_below_that_of_ipv6_is_a_network_without_it(pynet: Pynet) -> None:
    """With an MTU below 1280, IPv4 works, the log says why IPv6 does not, and a network with only IPv6 is refused."""
    options = {"com.docker.network.driver.mtu": "1200"}
    with structlog.testing.capture_logs() as lines:
        pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options))
    with pytest.raises(Unsupported, match="MTU of 1200 bytes is below 1280"):
        pynet.driver.create_network(rq.network(rq.OTHER_ID, "fd00:8::1/64", options=options))

    assert "below 1280" in next(line["reason"] for line in lines if line["event"] == "network without IPv6")
    assert "10.9.0.1/24" in sh(f"ip addr show {BRIDGE}")
    assert pynet.survey.look(pynet.publisher.held(), idle=True)[1] == []
    assert [item.record.id for item in pynet.store.list(Network)] == [rq.NETWORK_ID]


def test_a_network_without_ipv6_has_none_on_its_bridge(pynet: Pynet, containers: list[Container]) -> None:
    """Its containers have no way to speak IPv6 to the host."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    containers.append(Container())
    pynet.attach(containers[0], rq.NETWORK_ID, 2)

    assert containers[0].reaches("10.9.0.1")
    assert sh(f"ip -6 addr show {BRIDGE}") == ""


def test_a_look_right_after_a_creation_finds_nothing(pynet: Pynet, containers: list[Container]) -> None:
    """The kernel gives a bridge its link-local address a moment after its first port has begun to run."""
    containers += [Container() for _ in range(3)]
    found = []
    for number, container in enumerate(containers):
        pynet.driver.create_network(rq.network(f"{number}a" * 32, f"10.{number}.0.1/24", f"fd00:{number}::1/64"))
        found += pynet.survey.look((), idle=True)[1]
        pynet.attach(container, f"{number}a" * 32, 2, f"{number}e" * 32)
        found += [finding for _ in range(20) for finding in pynet.survey.look((), idle=True)[1]]

    assert found == []


@pytest.mark.parametrize(("accept_ra", "warned"), [("1", 1), ("2", 0)])
def test_a_default_route_that_ipv6_forwarding_costs_is_told(pynet: Pynet, accept_ra: str, warned: int) -> None:
    """Pynet warns of an advertised default route that the kernel removes when IPv6 forwarding is turned on."""
    sh("ip link add out0 type veth peer name in0; ip link set out0 up; ip link set in0 up")
    sh(f"ip addr add 2001:db8::2/64 dev out0 nodad; sysctl -qw net.ipv6.conf.out0.accept_ra={accept_ra}")
    sh("ip -6 route add default via 2001:db8::1 dev out0 proto ra")
    foreseen = deaf_links(pynet.kernel)
    with structlog.testing.capture_logs() as lines:
        pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
        pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", "fd00:8::1/64"))

    assert foreseen == ["out0"] * warned
    assert [line["link"] for line in lines if "loses the IPv6 default route" in line["event"]] == ["out0"] * warned
