"""Networks of mode macvlan beside Docker's built-in macvlan driver: the same options, the same containers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.lab.compose import PROJECT, started
from tests.engine.lab.facts import SUBNET, SUBNET6, V4, V6, facts
from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, HOST6, LINK, OUTSIDE4, OUTSIDE6
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import Plugin, command

pytestmark = pytest.mark.usefixtures("outside")

MODE = ("-o", "pynet.mode=macvlan")


class Lan(Scene):
    """Networks of one driver upon the link to the outside."""

    def on(self, *arguments: str, parent: str = LINK) -> str:
        """Create a network with ``parent``, "" for none, and return its name."""
        mode = () if self.driver == "macvlan" else MODE
        return self.network(*mode, *(["-o", f"parent={parent}"] if parent else []), *arguments)


@pytest.fixture(params=["macvlan", "pynet"])
def lan(request: pytest.FixtureRequest, host: Host) -> Iterator[Lan]:
    """The LAN beyond the host, with the built-in driver and with pynet."""
    name = request.getfixturevalue("pynet").name if request.param == "pynet" else request.param
    lan = Lan(host, name)
    try:
        yield lan
    finally:
        lan.close()


def test_containers_are_on_the_lan(lan: Lan) -> None:
    """They reach the machines of the LAN, each other by name, and not the host; the parent is the host's as before."""
    before = lan.host.net("ip", "-o", "addr", "show", "dev", LINK)
    net = lan.on("--subnet", SUBNET, "--gateway", OUTSIDE4, "--ip-range", "198.51.100.64/26")
    one, two = lan.containers(net, 2)

    assert one.reaches(OUTSIDE4)
    assert one.reaches(two.name)
    assert not one.reaches(HOST4)
    assert f"default via {OUTSIDE4} dev eth0" in one.exec("ip", "route")
    assert "docker_gwbridge" not in lan.host.net("ip", "-o", "link")
    assert lan.host.net("ip", "-o", "addr", "show", "dev", LINK) == before
    lan.clear()
    again = lan.container(net)
    assert again.reaches(OUTSIDE4)


AUX = ("--ip-range", "198.51.100.64/30", "--aux-address", "a=198.51.100.64", "--aux-address", "b=198.51.100.65")
SAME: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "both families, a port and a MAC": (
        (*V4, *V6),
        ("--ip", "198.51.100.70", "--ip6", "2001:db8:99::70", "-p", "8080:80", "--mac-address", "02:00:00:00:00:70"),
    ),
    "two subnets": ((*V4, "--subnet", "203.0.113.0/24", "--gateway", "203.0.113.1"), ("--ip", "203.0.113.70")),
    "auxiliary addresses, private": ((*V4, *AUX, "-o", "macvlan_mode=private"), ()),
    "internal": ((*V4, "--internal"), ("--ip", "198.51.100.70")),
}


@pytest.mark.parametrize(("network", "container"), SAME.values(), ids=SAME)
def test_the_same_options_give_the_same(
    host: Host, pynet: Plugin, network: tuple[str, ...], container: tuple[str, ...]
) -> None:
    """Addresses, routes, MTU and the answers of Docker are those of the built-in driver."""
    found = []
    for name in ("macvlan", pynet.name):
        lan = Lan(host, name)
        try:
            net = lan.on(*network)
            found.append(facts(lan.container(net, *container), net))
        finally:
            lan.close()
    assert found[0] == found[1]


SPARE = "spare0"  # a link that leads nowhere: the built-in driver of 20.10 has one network a parent
# A file for the built-in driver, with all that Compose can say of its networks; and all that changes for pynet.
COMPOSE = f"""
x-box: &box {{image: busybox, command: sleep 1d, stop_signal: SIGKILL}}
services:
  fixed:
    <<: *box
    mac_address: "02:00:00:00:00:71"
    ports: ["8080:80"]
    networks:
      lan: {{ipv4_address: 198.51.100.71, ipv6_address: "2001:db8:99::71", aliases: [printer]}}
  chosen: {{<<: *box, networks: [lan]}}
  closed: {{<<: *box, networks: {{alone: {{ipv4_address: 203.0.113.70}}}}}}
networks:
  lan:
    driver: macvlan
    driver_opts: {{parent: {LINK}, macvlan_mode: bridge}}
    enable_ipv6: true
    ipam:
      config:
        - {{subnet: {SUBNET}, gateway: {OUTSIDE4}, ip_range: 198.51.100.64/30, aux_addresses: {{a: 198.51.100.64}}}}
        - {{subnet: "{SUBNET6}", gateway: "{OUTSIDE6}", aux_addresses: {{host: "{HOST6}"}}}}
  alone:
    driver: macvlan
    driver_opts: {{parent: {SPARE}}}
    internal: true
    ipam: {{config: [{{subnet: 203.0.113.0/24}}]}}
"""
OVERRIDE = "networks:\n" + "".join(
    f"  {name}: {{driver: pynet, driver_opts: {{pynet.mode: macvlan}}}}\n" for name in ("lan", "alone")
)
NETWORK_OF = {"fixed": "lan", "chosen": "lan", "closed": "alone"}


@pytest.fixture
def spare(host: Host) -> Iterator[None]:
    """Another link of the host."""
    host.net("ip", "link", "add", SPARE, "up", "type", "veth", "peer", "name", "spare1")
    yield
    host.net("ip", "link", "del", SPARE)


@pytest.mark.usefixtures("pynet", "spare")
def test_one_compose_file_gives_the_same_with_both_drivers(host: Host, tmp_path: Path) -> None:
    """With another driver's name and the mode, Compose and Docker say the same, and containers have the same."""
    file, override = tmp_path / "compose.yaml", tmp_path / "override.yaml"
    file.write_text(COMPOSE)
    override.write_text(OVERRIDE)
    found = []
    for files in ((file,), (file, override)):
        with started(host, *files) as project:
            boxes = {name: project.container(name) for name in NETWORK_OF}
            found.append({name: facts(box, f"{PROJECT}_{NETWORK_OF[name]}") for name, box in boxes.items()})
            assert boxes["fixed"].reaches(OUTSIDE4)
            assert boxes["chosen"].reaches("printer")
    assert found[0] == found[1]


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no such link": (("-o", "parent=eth7"), "invalid subinterface vlan name eth7, example formatting is eth0.10"),
    "no link for a VLAN": (("-o", "parent=eth7.10"), "was not found on the host: eth7"),
    "loopback": (("-o", "parent=lo"), "loopback interface is not a valid macvlan parent link"),
    "VLAN 5000": (("-o", f"parent={LINK}.5000"), "vlan id must be between 1-4094, received: 5000"),
}


@pytest.mark.parametrize(("options", "complaint"), REFUSED.values(), ids=REFUSED)
def test_both_refuse_the_same_in_the_same_words(lan: Lan, options: tuple[str, ...], complaint: str) -> None:
    """What the built-in driver refuses, pynet refuses too."""
    mode = () if lan.driver == "macvlan" else MODE
    assert complaint in lan.refused(*mode, *options, "--subnet", SUBNET)


def test_a_container_starts_again(lan: Lan) -> None:
    """It reaches the LAN after restarts, of the container and of the engine."""
    net = lan.on(*V4, "--ip-range", "198.51.100.64/26")
    box = lan.container(net, "--restart", "always")
    lan.host.docker("restart", "-t", "0", box.name)
    assert box.reaches(OUTSIDE4)
    lan.host.stop_engine()
    lan.host.start_engine()
    wait_until(lambda: box.inspect()["State"]["Running"], "the container to run again", 20)
    assert box.reaches(OUTSIDE4)


def test_a_container_goes_on_without_pynet(host: Host, pynet: Plugin) -> None:
    """It has its link while pynet is away, and starts again with pynet back; pynet then finds nothing to repair."""
    lan = Lan(host, pynet.name)
    try:
        box = lan.container(lan.on(*V4, "--ip-range", "198.51.100.64/26"))
        pynet.restart()
        assert box.reaches(OUTSIDE4)
        host.docker("restart", "-t", "0", box.name)
        assert box.reaches(OUTSIDE4)
        assert "failing" not in command(host, "status")
    finally:
        lan.close()
