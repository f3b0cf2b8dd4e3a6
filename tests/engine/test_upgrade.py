"""A new version takes over the database, tables and links of an earlier one."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.engine.lab.host import REPOSITORY, Host
from tests.engine.lab.outside import HOST4, Outside
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import Plugin, second
from tests.engine.lab.snapshot import unchanged
from tests.engine.test_life import Pings

EARLIER = "58e3dc3"  # the last commit before plugin/ and cli/ got their rooms
PLACE = "/opt/pynet-earlier"
NAME = "pynet-upgraded"
SERVE = str(REPOSITORY / ".venv/bin/python"), "-P", "-m", "cli.main", "serve"  # its own modules alone
TALK = 'exec 3<>"/dev/tcp/$1/$2"; while read -r word; do echo "$word" >&3; read -r word <&3; echo "$word"; done'


@pytest.fixture
def versions(host: Host) -> Iterator[tuple[Plugin, Plugin]]:
    """The earlier version, which serves, and this one with the same socket and state, to be started."""
    archive = subprocess.run(["git", "archive", EARLIER], cwd=REPOSITORY, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this clone does not have the commit {EARLIER}: {archive.stderr.decode().strip()}")
    place = host.path(PLACE)
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(place)], input=archive.stdout, check=True)
    plugins = second(host, NAME, SERVE, PYTHONPATH=PLACE), second(host, NAME)
    plugins[0].start()
    yield plugins
    for plugin in plugins:
        plugin.stop()


class Talk:
    """A TCP connection from ``outside`` to a port of the host, which stays open; the other end repeats each word."""

    def __init__(self, outside: Outside, port: int) -> None:
        argv = outside.enter("bash", "-c", TALK, "bash", HOST4, str(port))
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def repeats(self, word: str) -> bool:
        """Whether the other end repeats ``word``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline() == f"{word}\n"

    def close(self) -> None:
        """Hang up."""
        self._process.communicate()


def links(host: Host) -> list[tuple[int, str, str]]:
    """Index, name and alias of every link of pynet."""
    found = json.loads(host.net("ip", "-j", "link"))
    return [(link["ifindex"], link["ifname"], link["ifalias"]) for link in found if "ifalias" in link]


def test_an_upgrade_keeps_links_connections_and_packets(
    host: Host, outside: Outside, versions: tuple[Plugin, Plugin]
) -> None:
    """A ping and a connection through a published port go on; the links are the same; what was made can be removed."""
    scene, (earlier, current) = Scene(host, NAME), versions
    with unchanged(host):
        net = scene.network("--ipv6", "--subnet", "fd00:39::/64", "-o", "com.docker.network.driver.mtu=1400")
        box, other = scene.container(net, "-p", "8039:9"), scene.container(net)
        box.host.docker("exec", "-d", box.name, "nc", "-lk", "-p", "9", "-e", "cat")
        talk, pings, before = Talk(outside, 8039), Pings(other, box.ip(net)), links(host)
        assert talk.repeats("before")
        earlier.stop()
        current.start()
        pings.goes_on()
        assert (talk.repeats("after"), pings.without_gap(), links(host)) == (True, True, before)
        talk.close()
        assert scene.container(net).reaches(box.name)
        scene.close()
