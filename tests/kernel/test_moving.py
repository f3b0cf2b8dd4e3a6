"""A container that moves to another host with its address and its sockets: what its connections lose."""

import pytest

from tests.kernel.hosts import MakeHosts, soon
from tests.kernel.test_ended_flows import Talks, say
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
BLUE = rq.NETWORK_ID


@pytest.mark.parametrize("policy", [{}, {"from": "10.9.0.0/24", "egress": "deny", "allow_out": "10.9.0.0/24"}])
def test_a_connection_survives_a_move(make_hosts: MakeHosts, policy: dict[str, str]) -> None:
    """Both hosts track nothing of it that could refuse a packet in the middle, and the sender repeats what is lost."""
    one, two, far = hosts = make_hosts(3)
    for host in hosts:
        host.create(overlay(BLUE, "10.9.0.1/24", internal=False, **policy))
    box, peer = one.run(BLUE, 2), far.run(BLUE, 4)
    talks = Talks()
    try:
        talks.start(box, "serve", "7001")
        assert soon(lambda: peer.reaches("10.9.0.2"))
        talk = talks.start(peer, "talk", "10.9.0.2", "7001")
        assert say(talk) == ["hello"]
        one.stop(BLUE, 2)
        box.sh("ip link del eth0")  # as the engine does, which takes it back
        two.do(lambda: two.pynet.attach(box, BLUE, 2, "e7" * 32))
        assert say(talk) == ["hello"]
    finally:
        talks.end()
