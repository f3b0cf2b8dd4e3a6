"""A bridge of the user's on the LAN of ``tests.kernel.lan_site``: br0, with the host's uplink and its addresses."""

from plugin.protocol.messages import CreateNetwork
from tests.kernel.container import sh
from tests.kernel.lan_site import ROUTER, UPLINK
from tests.unit import requests as rq

BRIDGE, HOST, HOST6 = "br0", "192.168.50.5", "fd00:50::5"
SUBNETS = (f"{ROUTER}/24", "fd00:50::1/64")


def make_bridge(name: str = BRIDGE) -> None:
    """Make the bridge as its user would."""
    sh(f"ip link add {name} type bridge; ip link set {UPLINK} master {name}; ip link set {name} up")
    sh(f"ip addr add {HOST}/24 dev {name}; ip addr add {HOST6}/64 dev {name} nodad")
    sh(f"ip route add default via {ROUTER}; ip route add default via fd00:50::1")


def lan_network(network_id: str = rq.NETWORK_ID, parent: str = BRIDGE, **options: str) -> CreateNetwork:
    """Return a request for a network on the LAN; ``options`` are pynet's own, without the beginning of their keys."""
    own = {f"pynet.{key}": value for key, value in {"mode": "lan", **options}.items()}
    return rq.network(network_id, *SUBNETS, options={"parent": parent, **own})
