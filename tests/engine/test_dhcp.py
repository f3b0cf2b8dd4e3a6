"""Addresses by DHCP on a real engine: a server of Debian's beyond the host, and containers upon the link to it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.contract import document_validator
from tests.engine.lab.host import Host
from tests.engine.lab.outside import LINK, OUTSIDE4, OUTSIDE6, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import Plugin, command
from tests.engine.lab.shell import CommandFailed
from tests.engine.test_recovery import reboot

DHCP = ("--ipam-driver", "null", "-o", "pynet.mode=macvlan", "-o", f"parent={LINK}", "-o", "pynet.dhcp=on")
ACCEPT = "net.ipv6.conf.{}.accept_ra"
ON = "net.ipv6.conf.{}.disable_ipv6=0"
RANGE = "198.51.100.100,198.51.100.140,255.255.255.0,120"


@pytest.fixture
def given(host: Host, outside: Outside, tmp_path: Path) -> Iterator[Callable[[], dict[str, str]]]:
    """Run dnsmasq outside; return a function that reads its leases, the names of clients by address."""
    leases = tmp_path / "leases"
    leases.touch()
    own = "-k", "-C", "/dev/null", "-p", "0", "--user=root", "--pid-file=", "--log-facility=/dev/null", "--no-ping"
    # A router advertises from such an address. The outside is that of the session, and may have it already.
    outside.exec("ip", "address", "replace", "fe80::2/64", "dev", "eth0", "nodad")
    taken = host.net("sysctl", "-n", ACCEPT.format(LINK)).strip()
    host.net("sysctl", "-qw", f"{ACCEPT.format(LINK)}=0")  # other tests want the addresses that it has
    routes = "--enable-ra", "--dhcp-range=2001:db8:99::,ra-only", "--ra-param=eth0,4,60"
    words = *routes, f"--dhcp-range={RANGE}", f"--dhcp-option=3,{OUTSIDE4}", f"--dhcp-leasefile={leases}", "-i", "eth0"
    server = subprocess.Popen(outside.enter("dnsmasq", *own, "--dhcp-authoritative", *words))
    wait_until(lambda: ":67 " in outside.exec("ss", "-Huln"), "the server to listen", 10)
    yield lambda: {line.split()[2]: line.split()[3] for line in leases.read_text().splitlines()}
    server.kill()
    server.wait()
    host.net("sysctl", "-qw", f"{ACCEPT.format(LINK)}={taken}")


@pytest.fixture
def revived(pynet: Plugin) -> Iterator[Plugin]:
    """Run pynet, and start it again if the test left it dead."""
    yield pynet
    if not pynet.pids:
        pynet.start()


def named(net: str, name: str) -> str:
    """Return the word for --network that gives a container a name at the server."""
    return f"name={net},driver-opt=pynet.hostname={name}"


def test_docker_shows_the_leased_address(pynet_scene: Scene, given: Callable[[], dict[str, str]]) -> None:
    """It is the same after the container was started or created again, and given back when it is gone."""
    net = pynet_scene.network(*DHCP)
    box = pynet_scene.container(named(net, "web"))
    address = box.ip(net)

    assert given() == {address: "web"}
    assert f"default via {OUTSIDE4} dev eth0" in box.exec("ip", "route")
    assert box.reaches(OUTSIDE4)
    renewed = json.loads(command(box.host, "endpoint", "renew", box.name, "--json"))
    document_validator("renewed").validate(renewed)
    assert (renewed["container"], renewed["address"]) == (box.name, f"{address}/24")
    assert box.reaches(OUTSIDE4)
    box.host.docker("restart", box.name)
    assert (box.ip(net), box.reaches(OUTSIDE4)) == (address, True)
    pynet_scene.clear()
    wait_until(lambda: not given(), "the lease to be given back", 10)
    assert pynet_scene.container(named(net, "web")).ip(net) == address


def test_a_container_makes_its_ipv6_address_itself(pynet_scene: Scene, given: Callable[[], dict[str, str]]) -> None:
    """The LAN's router advertises a prefix; the engine has to be told to leave IPv6 on, and pynet shows the address."""
    net = pynet_scene.network(*DHCP)
    if pynet_scene.host.engine.at_least_28:
        box = pynet_scene.container(f"name={net},driver-opt=com.docker.network.endpoint.sysctls={ON.format('IFNAME')}")
    else:
        box = pynet_scene.container(net, "--sysctl", ON.format("eth0"))

    wait_until(lambda: "inet6 2001:db8:99:" in box.net("ip", "-6", "address", "show", "dev", "eth0"), "an address", 15)
    wait_until(lambda: box.reaches(OUTSIDE6), "the outside to be reached by IPv6", 10)
    assert len(given()) == 1
    shown = command(pynet_scene.host, "endpoint", "ls", "--format", "{{.Addresses}}")
    assert (box.ip(net) in shown, "2001:db8:99:" in shown) == (True, True), shown


def test_a_lease_outlives_pynet_the_engine_and_a_reboot(
    pynet_scene: Scene, revived: Plugin, given: Callable[[], dict[str, str]]
) -> None:
    """Pynet is killed, the engine is killed, and then all links are gone: the server sees the same client."""
    net, host = pynet_scene.network(*DHCP), pynet_scene.host
    box = pynet_scene.container(named(net, "door"))
    address = box.ip(net)
    revived.kill()
    revived.start()
    assert "until" in command(host, "endpoint", "ls", "--format", "{{.Lease}}")
    revived.kill()
    host.kill_engine()
    reboot(host)
    revived.start()
    host.start_engine()
    assert given() == {address: "door"}

    host.docker("start", box.name)
    assert (box.ip(net), box.reaches(OUTSIDE4), given()) == (address, True, {address: "door"})


@pytest.mark.usefixtures("outside")
def test_docker_run_says_that_no_server_answers(pynet_scene: Scene) -> None:
    """The user reads it after the time that the network allows, and doctor tells it afterwards."""
    net = pynet_scene.network(*DHCP, "-o", "pynet.dhcp_timeout=2")

    said = pynet_scene.run_fails(net)

    assert f"get an address by DHCP on '{LINK}' for network " in said
    assert "2 s" in said
    with pytest.raises(CommandFailed) as status:
        command(pynet_scene.host, "status")
    assert f"the last container of network '{net}' got no address by DHCP" in status.value.stdout
