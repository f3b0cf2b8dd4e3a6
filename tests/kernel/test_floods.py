"""Frames of one container to all on other hosts are bounded; frames to single hosts and within this host are not."""

import json
import sys
import time

import pytest

from netlink.counters import Counters
from plugin.engine.names import Known
from plugin.firewall.reasons import FLOOD
from plugin.observe.drops import Drops
from tests.kernel.container import Container, sh
from tests.kernel.hosts import MakeHosts, OverlayHost, soon
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
FRAMES, MAC = 4 * FLOOD, "02:42:0a:09:00:02"
SENDER = """
import socket, sys
to, mac, frames = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2]), int(sys.argv[3])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0))
ip = bytes.fromhex("4500002e00004000401125ad0a0900020a0900ff") + bytes.fromhex("30393039001a0000") + bytes(18)
for _ in range(frames):
    link.send(to + mac + bytes.fromhex("0800") + ip)
"""


@pytest.fixture
def hosts(make_hosts: MakeHosts) -> list[OverlayHost]:
    """Return three hosts with a network."""
    hosts = make_hosts(3)
    for host in hosts:
        host.create(overlay(rq.NETWORK_ID))
    return hosts


def send(box: Container, to: str) -> float:
    """Send many frames from a container; return the seconds that it took."""
    begin, argv = time.monotonic(), [word.replace(":", "") for word in (to, MAC)]
    sh(f"nsenter -n -t {box.pid} -- {sys.executable} -c '{SENDER}' {' '.join(argv)} {FRAMES}")
    return time.monotonic() - begin


def sent(host: OverlayHost) -> int:
    """Return the packets that a host sent to the others."""
    return int(json.loads(host.sh("ip -j -s link show ul0"))[0]["stats64"]["tx"]["packets"])


def heard(box: Container) -> int:
    """Return the packets that a container received."""
    return int(json.loads(box.sh("ip -j -s link show eth0"))[0]["stats64"]["rx"]["packets"])


@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb"])
def test_frames_to_all_on_other_hosts_are_bounded(hosts: list[OverlayHost], to: str) -> None:
    """One container sends a burst and then the limit, to each host; the rest is counted, and unicast passes."""
    boxes = [host.run(rq.NETWORK_ID, number) for number, host in enumerate(hosts, 2)]
    assert soon(lambda: boxes[0].reaches("10.9.0.3"))
    before, seconds = sent(hosts[0]), send(boxes[0], to)
    copies = sent(hosts[0]) - before

    assert FLOOD <= copies / 2 <= FLOOD * (2 + seconds)
    drops = hosts[0].do(Drops(Counters(), hosts[0].pynet.store, "pynet", Known).by_network)
    (dropped,) = [drop.frames for drop in drops if drop.reason == "flood"]
    assert abs(FRAMES - copies // 2 - dropped) < 100  # greetings of containers are among the copies
    assert boxes[0].reaches("10.9.0.3")


def test_frames_to_one_host_and_within_this_host_are_not_bounded(hosts: list[OverlayHost]) -> None:
    """A port may send as many frames as it likes to a container elsewhere, and to all containers of this host."""
    one, two = hosts[0].run(rq.NETWORK_ID, 2), hosts[0].run(rq.NETWORK_ID, 4)
    hosts[1].run(rq.NETWORK_ID, 3)
    assert soon(lambda: one.reaches("10.9.0.3"))
    before = sent(hosts[0])
    send(one, "02:42:0a:09:00:03")
    assert sent(hosts[0]) - before >= FRAMES
    before = heard(two)
    send(one, "ff:ff:ff:ff:ff:ff")

    assert heard(two) - before >= FRAMES
