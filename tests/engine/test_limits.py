"""Limits of rates, on a real engine: as options of a network and of a container, and changed while it runs."""

import time

from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import command

# Sends datagrams of 1,400 bytes for a second, far more than any limit here lets pass.
FLOOD = """
import socket, sys, time
end, sock = time.monotonic() + 1, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while time.monotonic() < end:
    for _ in range(50):
        sock.sendto(bytes(1400), (sys.argv[1], 9))
"""


def bucket(scene: Scene, beginning: str) -> tuple[str, int, int]:
    """Return rate, sent bytes and dropped packets of the only token bucket on a link whose name begins so."""
    lines = scene.host.net("tc", "-s", "qdisc", "show").replace("\n ", " ").splitlines()
    [words] = [line.split() for line in lines if "tbf" in line and f"dev {beginning}" in line]
    return (
        words[words.index("rate") + 1],
        int(words[words.index("Sent") + 1]),
        int(words[words.index("(dropped") + 1][:-1]),
    )


def flooded(scene: Scene, sender: Container, address: str, beginning: str) -> tuple[float, int]:
    """Return how many bits a second passed the bucket while the sender flooded an address, and the drops."""
    _, before, _ = bucket(scene, beginning)
    begin = time.monotonic()
    sender.net("python3", "-c", FLOOD, address)
    _, after, dropped = bucket(scene, beginning)
    return (after - before) * 8 / (time.monotonic() - begin), dropped


def test_limits_of_a_network_and_of_a_container(pynet_scene: Scene) -> None:
    """A network limits what its containers send; --driver-opt limits what one receives; both change while it runs."""
    net = pynet_scene.network("--subnet", "10.45.0.0/24", "-o", "pynet.rate_out=20mbit")
    one = pynet_scene.container(net)
    passed, dropped = flooded(pynet_scene, one, "10.45.0.1", "pni")
    assert dropped > 0
    assert passed < 1.15 * 20e6 + 8 * (128 << 10)

    command(pynet_scene.host, "network", "set", net, "rate_out=off")
    assert "tbf" not in pynet_scene.host.net("tc", "qdisc", "show")
    assert one.reaches("10.45.0.1")


def test_driver_opt_limits_one_container(pynet_scene: Scene) -> None:
    """What goes into the container is limited, by its own option, and a change of it holds at once."""
    net = pynet_scene.network("--subnet", "10.46.0.0/24")
    one = pynet_scene.container(f"name={net},driver-opt=pynet.rate_in=10mbit")
    two = pynet_scene.container(net)
    passed, dropped = flooded(pynet_scene, two, one.ip(net), "pnh")
    assert dropped > 0
    assert passed < 1.15 * 10e6 + 8 * (128 << 10)
    shown = command(pynet_scene.host, "endpoint", "set", one.name, "rate_in=50mbit")
    assert "pynet.rate_in = 50mbit (endpoint change, was 10mbit)" in shown
    assert bucket(pynet_scene, "pnh")[0] == "50Mbit"


def test_a_rate_without_a_unit_is_refused(pynet_scene: Scene) -> None:
    """`docker network create` says why a number alone is not enough."""
    said = pynet_scene.refused("-o", "pynet.rate_in=10")

    assert "option 'pynet.rate_in' must be a rate with its unit" in said
    assert "(a number alone could be bits or bytes)" in said
