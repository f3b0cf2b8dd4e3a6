"""``pynet drops``, on a real engine with real traffic."""

import json
from collections.abc import Iterator

import pytest

from tests.engine.lab.process import Process, wait_until
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import PYNET, as_member, command
from tests.engine.lab.shell import CommandFailed


@pytest.fixture
def pair(pynet_scene: Scene) -> tuple[Container, Container, str]:
    """Two containers on two networks, and the address of the second."""
    nets = [pynet_scene.network(), pynet_scene.network()]
    web, database = (pynet_scene.container(net) for net in nets)
    return web, database, database.ip(nets[1])


@pytest.fixture
def following(pynet_scene: Scene) -> Iterator[Process]:
    """A running ``pynet drops -f``."""
    host = pynet_scene.host
    process = host.spawn("drops", PYNET[0], "drops", "-f")
    wait_until(lambda: "5679" in host.exec("cat", "/proc/net/netfilter/nfnetlink_log"), "it to listen")
    yield process
    if process.alive:
        process.kill(all_of_it=True)


def test_a_container_that_reaches_for_another_network_is_named(pair: tuple[Container, Container, str]) -> None:
    """The line has both containers, the number of packets, the reason, and the way to open it."""
    web, database, address = pair
    assert not web.reaches(address)
    text = command(web.host, "drops", web.name)
    (row,) = json.loads(command(web.host, "drops", database.name, "--json"))

    assert f"{database.name} ({address})" in text
    assert "isolation: from outside of its network" in text
    assert "publish the port with docker run -p" in text
    assert (row["from"]["container"], row["to"]["container"], row["packets"]) == (web.name, database.name, 2)
    assert as_member(web.host, PYNET[0], "drops", web.name).split()[:8] == text.split()[:8]


def test_a_follower_prints_packets_and_leaves_nothing_when_it_is_killed(
    following: Process, pair: tuple[Container, Container, str]
) -> None:
    """A line names both containers and the packet; after kill -9 the kernel has no listener."""
    web, database, address = pair
    log = web.host.log("drops")
    web.reaches(address)
    wait_until(lambda: "dropped: isolation" in log.read_text(), "the packet to be told")
    # Containers younger than the follower have names after two seconds.
    wait_until(lambda: web.reaches(address) or f"{web.name} (" in log.read_text(), "the packet to be told with names")
    assert f") -> {database.name} ({address}) icmp type 8 code 0 dropped: isolation" in log.read_text()
    with pytest.raises(CommandFailed, match="another one already does"):
        command(web.host, "drops", "-f")
    following.kill(all_of_it=True)
    wait_until(lambda: not web.host.exec("cat", "/proc/net/netfilter/nfnetlink_log"), "nobody to listen")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("drops nobody", "there is no network and no container 'nobody'"),
        ("drops --since yesterday", "neither an age such as 10m nor a time"),
        ("drops -f --since 10m", "prints packets that are dropped from now on"),
    ],
)
def test_a_bad_word_is_refused_with_a_sentence(pynet_scene: Scene, words: str, sentence: str) -> None:
    """Nothing is printed but the sentence."""
    with pytest.raises(CommandFailed, match=sentence):
        command(pynet_scene.host, *words.split())
