"""What a torture beside a crowd would see of a loss."""

from pathlib import Path

import pytest

from tests.kernel.container import sh
from tests.kernel.pynet import Pynet
from tests.torture.ground import Ground
from tests.unit import requests as rq

BRIDGE, PORT = "pn-a1a1a1a1a1a1", "pnhe0e0e0e0e0e0"
LOST = {
    f"ip addr del 10.9.0.1/24 dev {BRIDGE}": f"lost: address {BRIDGE} 10.9.0.1/24",
    f"ip link set {BRIDGE} down": f"lost: link {BRIDGE} bridge",
    f"nft delete element inet pynet bridges {{ {BRIDGE} }}": f'lost: nft bridges: "{BRIDGE}"',
    "nft flush chain inet pynet forward": "lost: nft forward: ",
    "nft flush ruleset": "lost: nft inet pynet: ",
    f"sysctl -qw net.ipv4.conf.{BRIDGE}.route_localnet=0": "lost: setting",
}


@pytest.mark.parametrize("harm", LOST)
def test_a_loss_of_the_crowd_is_a_line_of_a_look(pynet: Pynet, tmp_path: Path, harm: str) -> None:
    """Nothing is seen of a network that is there all the time; what it loses is named."""
    pynet.driver.create_network(rq.network())
    ground = Ground(tmp_path)
    assert ground.look() == []
    sh(harm)

    assert [line for line in ground.look() if line.startswith(LOST[harm])]


def test_additions_to_the_crowd_are_lines_of_a_look(pynet: Pynet, tmp_path: Path) -> None:
    """An endpoint that comes is seen with its links and elements, and nothing is left when it has gone."""
    pynet.driver.create_network(rq.network())
    ground = Ground(tmp_path)
    pynet.driver.create_endpoint(rq.endpoint())
    seen = ground.look()
    pynet.driver.delete_endpoint(rq.ENDPOINT)
    pynet.reaper.clear(PORT)

    assert [line for line in seen if line.startswith("link pnh")]
    assert [line for line in seen if line.startswith("nft port_macs: ")]
    assert ground.look() == []
