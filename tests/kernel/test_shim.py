"""The host and its containers on the LAN reach each other (``pynet.host_access``), on a real kernel."""

import pytest

from netlink.monitor import NAMED, OWN
from plugin.doctor.host_access import unreached
from plugin.errors import Conflict
from plugin.model.names import shim_name
from plugin.model.records import Network
from plugin.protocol.change_messages import SetOptions
from plugin.protocol.messages import EndpointRef, NetworkRef
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet, connect
from tests.kernel.test_macvlan import LAN, on_lan
from tests.unit import requests as rq

HOST, HOST6, FIRST, FIRST6 = "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"
BOTH = ((HOST, FIRST), (HOST6, FIRST6))
OTHER = "f" * 64
Two = tuple[Container, Container]
SHIM = shim_name("pynet", LAN)


@pytest.fixture
def lan(two: Two, containers: list[Container]) -> Container:
    """A machine on the LAN of the host, beside two containers that are attached to nothing."""
    assert len(two) == 2
    containers.append(Container())
    connect(containers[-1])
    return containers[-1]


def reaches(address: str) -> bool:
    """Return whether the host reaches ``address``; its first packet may meet a question that had no answer before."""
    return sh(f"ping -c 3 -i 0.3 -W 1 {address} >/dev/null && echo yes || echo no") == "yes\n"


def meet(container: Container, ways: tuple[tuple[str, str], ...] = BOTH) -> list[bool]:
    """Return whether the host reaches the container and the container the host, by each of the addresses."""
    return [way for host, own in ways for way in (reaches(own), container.reaches(host))]


def begun(pynet: Pynet, container: Container, network_id: str = rq.NETWORK_ID, number: int = 2) -> EndpointRef:
    """Make a network with a way from the host, and a container on it."""
    pynet.driver.create_network(on_lan(network_id, **{"pynet.host_access": "on"}))
    return pynet.attach(container, network_id, number)


def traces() -> str:
    """Return all that a shim leaves on the host."""
    return sh(
        "ip -o link | cut -d: -f 2; ip route; ip -6 route; ip neigh show nud permanent; ip neigh show proxy; ip rule"
    )


@pytest.mark.usefixtures("lan")
def test_host_and_container_reach_each_other(pynet: Pynet, two: Two) -> None:
    """Both ways, in both families; a network without the option has no way; nothing is left in the end."""
    before = traces()
    end = begun(pynet, two[0])
    pynet.driver.create_network(on_lan(OTHER))
    pynet.attach(two[1], OTHER, 3)

    assert meet(two[0]) == [True] * 4
    assert meet(two[1], ((HOST, "192.0.2.3"),)) == [False, False]
    assert sh(f"ip -br addr show {SHIM}").split()[2:] == []
    assert pynet.reconciler.reconcile() == []
    pynet.driver.delete_endpoint(end)
    assert traces() == before


def test_the_lan_keeps_the_mac_of_the_host(pynet: Pynet, two: Two, lan: Container) -> None:
    """No machine of the LAN learns the MAC of the shim: not by its own questions, and not by the host's."""
    begun(pynet, two[0])
    for _ in range(3):
        lan.sh("ip neigh flush all")
        assert lan.reaches(HOST)
        assert lan.reaches(HOST6)
        assert meet(two[0]) == [True] * 4
    macs = {line.split()[4] for line in lan.sh(f"ip neigh show {HOST}; ip neigh show {HOST6}").splitlines()}

    assert macs == {sh(f"ip -br link show {LAN}").split()[2]}


def test_the_lan_cannot_use_the_shim(pynet: Pynet, two: Two, lan: Container) -> None:
    """A machine that sends to its MAC, past the firewall of the host's uplink, reaches nothing; containers do."""
    begun(pynet, two[0])
    mac = sh(f"ip -br link show {SHIM}").split()[2]
    assert all(lan.reaches(address) for address in (HOST, HOST6))
    sh(f"sysctl -qw net.ipv4.conf.{SHIM}.rp_filter=0 net.ipv4.conf.all.rp_filter=0")
    lan.sh(f"ip neigh replace {HOST} lladdr {mac} dev in0 nud permanent")
    lan.sh(f"ip neigh replace {HOST6} lladdr {mac} dev in0 nud permanent")
    passed = [lan.reaches(address) for address in (HOST, HOST6)]
    sh("nft flush chain inet pynet shim")

    assert passed == [False, False]
    assert [lan.reaches(address) for address in (HOST, HOST6)] == [True, True]


@pytest.mark.usefixtures("lan")
def test_networks_of_one_parent_share_the_shim(pynet: Pynet, two: Two) -> None:
    """It is made with the first container and goes with the last, whichever network they are on."""
    ends = [begun(pynet, two[0]), begun(pynet, two[1], OTHER, 3)]
    routes = sh(f"ip route show dev {SHIM}; ip -6 route show dev {SHIM}").splitlines()
    pynet.driver.delete_endpoint(ends[0])
    rest = meet(two[1], ((HOST, "192.0.2.3"), (HOST6, "2001:db8::3")))
    pynet.driver.delete_network(NetworkRef(OTHER))

    assert len(routes) == 4
    assert rest == [True] * 4
    assert SHIM not in sh("ip link")


HARM = {
    "the shim": f"ip link del {SHIM}",
    "the shim is down": f"ip link set {SHIM} down",
    "an IPv4 route": f"ip route del {FIRST}",
    "an IPv6 route": f"ip route del {FIRST6}",
    "another address of the host": f"ip addr del {HOST}/24 dev {LAN}; ip addr add 192.0.2.7/24 dev {LAN}",
    "another IPv6 address": f"ip addr add 2001:db8::7/64 dev {LAN} nodad; ip addr del {HOST6}/64 dev {LAN}",
    "a host that stops to forward": "sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=0",
}


@pytest.mark.usefixtures("lan")
@pytest.mark.parametrize("harm", HARM)
def test_what_others_change_is_heard_and_repaired(pynet: Pynet, two: Two, harm: str) -> None:
    """The kernel tells of it, and a look at the named links makes the way again."""
    begun(pynet, two[0])
    with pynet.monitor() as monitor:
        monitor.wait(0.2)
        sh(HARM[harm])
        heard = monitor.wait(3)
        while more := monitor.wait(0.3):
            heard |= more
        names = {word.removeprefix(NAMED) for word in heard if word.startswith(NAMED)}
        pynet.reconciler.look_at_links(names)

    assert OWN in heard
    assert names & {SHIM, LAN}
    host, host6 = ("192.0.2.7" if "another a" in harm else HOST), ("2001:db8::7" if "IPv6 a" in harm else HOST6)
    assert meet(two[0], ((host, FIRST), (host6, FIRST6))) == [True] * 4
    assert pynet.reconciler.reconcile() == []


@pytest.mark.usefixtures("lan")
def test_a_parent_that_goes_down_and_up_keeps_the_way(pynet: Pynet, two: Two) -> None:
    """A container that comes while the parent is down gets its way when the parent is up."""
    begun(pynet, two[0])
    sh(f"ip link set {LAN} down")
    pynet.attach(two[1], rq.NETWORK_ID, 3)
    sh(f"ip link set {LAN} up; ip addr replace {HOST6}/64 dev {LAN} nodad")
    pynet.reconciler.reconcile()

    assert meet(two[0]) == [True] * 4
    assert meet(two[1], ((HOST, "192.0.2.3"), (HOST6, "2001:db8::3"))) == [True] * 4


@pytest.mark.usefixtures("lan")
def test_a_renamed_parent_keeps_the_way(pynet: Pynet, two: Two) -> None:
    """The shim has another name then; the old one is not left."""
    end = begun(pynet, two[0])
    sh(f"ip link set {LAN} name lan7")
    pynet.reconciler.reconcile()
    pynet.reconciler.reconcile()

    assert meet(two[0]) == [True] * 4
    assert [line.split("@")[0] for line in sh("ip -br link").splitlines() if "pns" in line] == [
        shim_name("pynet", "lan7")
    ]
    pynet.driver.delete_endpoint(end)
    assert "pns" not in sh("ip link; ip route")


@pytest.mark.usefixtures("lan")
def test_the_option_is_changed_on_a_running_network(pynet: Pynet, two: Two) -> None:
    """Off takes the way of this network's containers away and no other's; on makes it again."""
    begun(pynet, two[0])
    begun(pynet, two[1], OTHER, 3)
    found = []
    for value in ("off", "on"):
        pynet.live.set_options(SetOptions(rq.NETWORK_ID, "", {"pynet.host_access": value}))
        found += [meet(two[0]), meet(two[1], ((HOST, "192.0.2.3"),))]

    assert found == [[False] * 4, [True] * 2, [True] * 4, [True] * 2]
    for network in (rq.NETWORK_ID, OTHER):
        pynet.live.set_options(SetOptions(network, "", {"pynet.host_access": "off"}))
    assert "pns" not in sh("ip link")


@pytest.mark.usefixtures("lan")
def test_a_route_of_the_user_is_no_prey(pynet: Pynet, two: Two) -> None:
    """A container whose address the user routes elsewhere is refused, and the way of the others stays."""
    begun(pynet, two[0])
    sh(f"ip route add 192.0.2.3 dev {LAN}")
    before = traces()
    with pytest.raises(Conflict, match=r"ip route show 192\.0\.2\.3"):
        pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert traces() == before
    assert meet(two[0]) == [True] * 4


@pytest.mark.usefixtures("lan")
@pytest.mark.parametrize("lost", ["", f"ip link del {SHIM}", f"ip route del {FIRST}"])
def test_a_start_finds_the_way_or_makes_it_again(pynet: Pynet, two: Two, lost: str) -> None:
    """A pynet that was killed goes on with the shim that it finds, and routes to nobody go."""
    begun(pynet, two[0])
    sh(lost or f"ip route add 192.0.2.99 dev {SHIM} proto 80")
    again = Pynet(store=pynet.store)
    again.reconciler.recover()

    assert meet(two[0]) == [True] * 4
    assert "192.0.2.99" not in sh("ip route")
    assert again.reconciler.reconcile() == []
    again.close()


@pytest.mark.usefixtures("lan")
def test_a_start_without_the_state_leaves_no_shim(pynet: Pynet, two: Two) -> None:
    """Nothing on the host names the networks of containers on the LAN, so their way cannot be kept."""
    before = traces()
    begun(pynet, two[0])
    again = Pynet()
    again.reconciler.recover()
    again.close()

    assert traces() == before


@pytest.mark.usefixtures("lan")
def test_the_doctor_says_why_the_host_does_not_reach_them(pynet: Pynet, two: Two) -> None:
    """A link without an address of a family, and a setting by which the host keeps its MAC to itself."""
    begun(pynet, two[0])
    network = pynet.store.get(Network, rq.NETWORK_ID)
    assert network is not None
    sound = list(unreached(pynet.kernel, [network.record]))
    sh(f"ip -6 addr flush dev {LAN}; sysctl -qw net.ipv4.conf.all.arp_ignore=1")

    assert sound == []
    assert [(each.version, each.value) for each in unreached(pynet.kernel, [network.record])] == [(6, ""), (4, "1")]
    two[0].sh("ip neigh flush all")
    assert meet(two[0], ((HOST, FIRST),)) == [False, False]
