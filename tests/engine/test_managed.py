"""The managed plugin: installed, upgraded, killed and taken away, on a host of its own.

What takes long and breaks seldom runs with ``make test-managed`` only.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.lab import image
from tests.engine.lab.engines import Engine
from tests.engine.lab.host import Host
from tests.engine.lab.managed import NAME, SOCKET, Managed, make_plugin
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import as_member, command, published_by_pynet
from tests.engine.lab.shell import CommandFailed
from tests.engine.lab.snapshot import unchanged
from tests.engine.test_life import Pings
from tests.engine.test_recovery import bridge_of
from tools.plugin.engine import FORMER

LOOPBACK = "127.0.0.1"
LONG = os.environ.get("PYNET_FORM") == "managed"
only_long = pytest.mark.skipif(not LONG, reason="takes long: runs with make test-managed")


@pytest.fixture(scope="module")
def bare(engine: Engine) -> Iterator[Host]:
    """A throw-away host with a running engine, the image ``busybox`` and no pynet."""
    with Host(engine, "managed") as bare:
        bare.start_engine()
        image.load(bare.docker)
        yield bare


@pytest.fixture(scope="module")
def plugin(bare: Host) -> Iterator[Managed]:
    """The managed plugin, installed for all tests of this file."""
    plugin = Managed(bare, {})
    plugin.start()
    yield plugin
    plugin.stop()
    bare.docker("plugin", "rm", NAME)


@pytest.fixture
def managed(plugin: Managed) -> Managed:
    """The managed plugin, which serves."""
    plugin.start()
    return plugin


@pytest.fixture
def scene(bare: Host, managed: Managed) -> Iterator[Scene]:
    """Networks of the driver ``pynet``, and containers, removed afterwards."""
    scene = Scene(bare, managed.name)
    try:
        yield scene
    finally:
        if not managed.enabled:
            managed.start()
        scene.close()


def log_lines(host: Host, words: str) -> list[str]:
    """Lines of the engine's log that contain ``words``."""
    return [line for line in host.log("dockerd").read_text(errors="replace").splitlines() if words in line]


def come_back(*boxes: Container) -> None:
    """Wait until containers with a restart policy run again."""
    wait_until(lambda: all(box.inspect()["State"]["Running"] for box in boxes), "the containers to come back", 60)


def test_one_command_installs_it_and_another_removes_it(bare: Host) -> None:
    """The walk of a newcomer: install, a network, two containers, a port; removal is refused in between."""
    with unchanged(bare):
        said = make_plugin(bare)
        assert bare.docker("images", "--all", "--format", "{{.Repository}}").split() == [image.NAME]
        scene = Scene(bare, "pynet")
        net = scene.network()
        one, two = scene.server(net, "-p", "8080:7777"), scene.container(net)
        assert two.reaches(one.name)
        assert seen_from(bare.net, LOOPBACK, "tcp", 8080)
        _members_have_the_commands(bare, net, one)
        with pytest.raises(AssertionError, match=f"not removed: it has the networks {net}"):
            make_plugin(bare, "remove")
        scene.close()
        assert f"removed '{NAME}' and its state" in make_plugin(bare, "remove")
        assert "nothing to remove" in make_plugin(bare, "remove")
        assert not bare.path(SOCKET).exists()
        sizes = [float(number) for number in re.findall(r"([0-9.]+) MB", said)]
    assert len(sizes) == 3
    assert all(size <= limit for size, limit in zip(sizes, (60, 25, 70), strict=True)), said


def _members_have_the_commands(host: Host, net: str, one: Container) -> None:
    """On the host ``pynet`` and ``docker pynet`` are there, and group docker may use them; root alone may change."""
    docker = ("env", "DOCKER_HOST=unix:///run/docker.sock", str(host.docker.client), "pynet")
    assert as_member(host, "/usr/local/bin/pynet", "ports", one.name, "7777").startswith("0.0.0.0:8080")
    assert as_member(host, *docker, "network", "ls", "--format", "{{.Name}}") == net
    assert one.name in as_member(host, *docker, "ps", "--format", "{{.Names}}").split()
    assert "networks:   1, with 2 endpoints" in as_member(host, *docker, "status")
    with pytest.raises(CommandFailed, match="only root may do this"):
        as_member(host, *docker, "reconcile")
    assert "nothing to repair" in host.exec("/usr/local/bin/pynet", "reconcile")


def test_an_upgrade_loses_nothing(bare: Host) -> None:
    """``make plugin`` again, with a plugin of the former name: no ping is lost, networks and settings are as before."""
    old = Managed(bare, {"PYNET_LOG_LEVEL": "debug"}, FORMER)
    old.start()
    before, tagged, plain = old.id, Scene(bare, FORMER), Scene(bare, old.name)
    other, net = tagged.network("--ipam-driver", FORMER), plain.network()
    one = tagged.container(other)
    two, three = plain.server(net, "-p", "8080:7777"), plain.container(net)
    pings = Pings(three, two.ip(net))
    assert "keeps its name" in make_plugin(bare)
    pings.goes_on()
    assert pings.without_gap()
    assert seen_from(bare.net, LOOPBACK, "tcp", 8080)
    assert plain.container(net).reaches(two.name)
    assert tagged.container(other).reaches(one.name)
    assert old.id == before
    tagged.close()
    plain.close()


def test_without_networks_it_gets_todays_name(bare: Host) -> None:
    """A plugin of the former name is replaced, its settings stay; the same command again changes and stops nothing."""
    Managed(bare, {"PYNET_LOG_LEVEL": "debug"}, FORMER).start()
    assert f"'{NAME}' has taken its place" in make_plugin(bare)
    managed = Managed(bare, {})
    processes = managed.pids
    assert "up to date, nothing to do" in make_plugin(bare)
    assert managed.pids == processes
    assert "PYNET_LOG_LEVEL=debug" in bare.docker("plugin", "inspect", NAME)
    assert FORMER not in bare.docker("plugin", "ls")
    managed.stop()
    assert "type-make-plugin-to-upgrade" in bare.docker.fails("plugin", "upgrade", NAME)
    make_plugin(bare, "remove")


def test_both_names_lead_to_it_and_one_is_counted(bare: Host, managed: Managed) -> None:
    """``pynet:managed`` is refused to be disabled while a network uses it; ``pynet`` the engine does not count."""
    tagged, plain = Scene(bare, NAME), Scene(bare, managed.name)
    one = tagged.container(tagged.network("--ipam-driver", NAME))
    other = plain.container(plain.network("--ipam-driver", managed.name))
    assert "in use" in bare.docker.fails("plugin", "disable", NAME)
    assert not one.reaches(other.exec("hostname", "-i"))
    tagged.close()
    plain.close()
    bare.docker("plugin", "disable", NAME)
    assert not bare.path(SOCKET).exists()


def test_a_killed_plugin_comes_back_by_itself(bare: Host, scene: Scene, managed: Managed) -> None:
    """The engine starts it again; containers talk on, and it knows everything."""
    net = scene.network()
    one, two = scene.server(net, "-p", "8080:7777"), scene.container(net)
    pings = Pings(two, one.ip(net))
    managed.crash()
    pings.goes_on()
    assert pings.without_gap()
    assert scene.container(net).reaches(one.name)
    assert seen_from(bare.net, LOOPBACK, "tcp", 8080)


@pytest.mark.parametrize("end", ["kill", "power cut", pytest.param("stop", marks=only_long)])
def test_containers_come_back_with_network_and_ports(bare: Host, scene: Scene, managed: Managed, end: str) -> None:
    """Containers with a restart policy come back after the engine stops, is killed, or the host loses power."""
    net = scene.network("--subnet", "10.61.0.0/24")
    one, two = (scene.container(net, "--restart", "always", *words) for words in (("-p", "8080:7777"), ()))
    {"stop": bare.stop_engine, "kill": bare.kill_engine, "power cut": bare.cut_power}[end]()
    if end == "power cut":
        bare.boot()
    bare.start_engine()
    come_back(one, two)
    scene.echo(one)
    assert two.reaches(one.name)
    assert seen_from(bare.net, LOOPBACK, "tcp", 8080)
    assert scene.container(net).reaches(one.name)
    assert managed.serves()


def test_commands_on_the_host_speak_of_the_plugin(bare: Host, scene: Scene, managed: Managed) -> None:
    """Its settings, state and kernel, which lie in namespaces of its own; while it is disabled nobody is misled."""
    net = scene.network()
    one = scene.server(net, "-p", "8080:7777")
    settings = {row["key"]: (row["value"], row["origin"]) for row in json.loads(command(bare, "settings", "--json"))}
    assert settings["PYNET_HOST_SOCKET"] == ("/host/plugins/pynet.sock", "environment")
    [row] = [row for row in published_by_pynet(bare) if ":" not in row["host_ip"]]
    assert (row["container"], row["network_name"], row["host_port"]) == (one.name, net, 8080)
    assert "nothing to repair" in command(bare, "reconcile", "--dry-run")
    assert "written: 1 network, 1 endpoint" in command(bare, "backup", "/root/copy")
    assert "pynet does not run" not in command(bare, "doctor")
    enter = ("nsenter", "-t", str(managed.pids[0]), "-m", "--", "/usr/bin/pynet")  # for hosts without Python
    assert '"host_port": 8080' in bare.net(*enter, "ports", "--json")
    with pytest.raises(CommandFailed, match="is a managed plugin; disable it"):
        command(bare, "restore", "/root/copy")

    bridge = bridge_of(bare, net)
    bare.net("ip", "link", "set", bridge, "alias", "mine")
    with pytest.raises(CommandFailed) as drift:
        command(bare, "reconcile", "--dry-run")
    assert drift.value.stdout.startswith(f"due: alias of link '{bridge}'")
    command(bare, "reconcile")  # or pynet was quicker
    assert json.loads(command(bare, "status", "--json"))["repairs"]["LinkChanged"] == 1

    managed.stop()
    with pytest.raises(CommandFailed, match="there is no state in '/var/lib/pynet'"):
        command(bare, "reconcile", "--dry-run")


@only_long
@pytest.mark.parametrize(
    ("key", "bad", "good", "rule"),
    [
        ("PYNET_THREADS", "2", "32", "must be 16 to 256, not '2'"),
        ("PYNET_SYSCTL_DIR", "/nowhere", "/host/sys", "must be a folder with the kernel's settings, not '/nowhere'"),
    ],
)
def test_a_bad_setting_is_a_sentence_in_the_engines_log(
    bare: Host, managed: Managed, key: str, bad: str, good: str, rule: str
) -> None:
    """The plugin does not start, the log says why in one line, and with a good value it does start."""
    managed.stop()
    bare.docker("plugin", "set", NAME, f"{key}={bad}")
    assert "pynet.sock" in bare.docker.fails("plugin", "enable", NAME)
    lines = log_lines(bare, f"setting '{key}' {rule}")
    assert lines
    assert all("level=error" in line for line in lines)
    bare.docker("plugin", "set", NAME, f"{key}={good}")
    managed.start()


def test_an_unknown_setting_is_refused_by_the_engine(bare: Host, managed: Managed) -> None:
    """``docker plugin set`` knows those of config.json only."""
    managed.stop()
    assert "PYNET_SOKET" in bare.docker.fails("plugin", "set", NAME, "PYNET_SOKET=/x")
    managed.start()


def test_it_has_no_more_rights_than_it_needs(bare: Host, managed: Managed) -> None:
    """One capability beside those that the engine gives to every container, and two folders of the host."""
    config = json.loads(bare.docker("plugin", "inspect", NAME))[0]["Config"]
    assert config["Linux"]["Capabilities"] == ["CAP_NET_ADMIN"]
    assert not config["Linux"]["AllowAllDevices"]
    assert {mount["Source"] for mount in config["Mounts"]} == {"/run/docker/plugins", "/proc/sys/net"}
    status = Path(f"/proc/{managed.pids[0]}/status").read_text()
    effective = int(re.findall(r"^CapEff:\s*(\w+)", status, re.MULTILINE)[0], 16)
    assert not effective >> 21 & 1  # SYS_ADMIN


@only_long
def test_two_builds_are_the_same(bare: Host) -> None:
    """Built anew without any cache of the engine, the plugin has the same digest."""
    digests = []
    for words in (("build",), ("build", "anew")):
        digests += re.findall(r"sha256:\w+", make_plugin(bare, *words))
    assert len(digests) == 2
    assert digests[0] == digests[1]
