"""Networks on the LAN of ``tests.kernel.pynet.connect``, whose other machine is the router."""

from plugin.protocol.messages import CreateNetwork
from tests.kernel.container import Container, sh
from tests.unit import requests as rq

LAN, HOST, ROUTER, ROUTER6 = "out0", "192.0.2.1", "192.0.2.9", "2001:db8::9"
SUBNETS = {rq.NETWORK_ID: ("10.7.0.1/24", "fd00:7::1/64"), rq.OTHER_ID: ("10.8.0.1/24", "fd00:8::1/64")}


def on_lan(mode: str, network_id: str = rq.NETWORK_ID, parent: str = LAN, **options: str) -> CreateNetwork:
    """Return a request for a network with addresses of the LAN."""
    generic = {"pynet.mode": mode, "parent": parent, **options}
    return rq.network(network_id, f"{ROUTER}/24", f"{ROUTER6}/64", options=generic)


def behind_host(network_id: str = rq.NETWORK_ID, **options: str) -> CreateNetwork:
    """Return a request for a network of mode ipvlan with subnets of its own."""
    generic = {"pynet.mode": "ipvlan", "parent": LAN, **options}
    return rq.network(network_id, *SUBNETS[network_id], options=generic)


def add_vlan(router: Container, vlan: int) -> None:
    """Put the router into a VLAN of the LAN, with the addresses that it has outside of it."""
    router.sh(f"ip addr flush dev in0; ip link add link in0 name in0.{vlan} type vlan id {vlan}")
    router.sh(f"ip addr add {ROUTER}/24 dev in0.{vlan}; ip addr add {ROUTER6}/64 dev in0.{vlan} nodad")
    router.sh(f"ip link set in0.{vlan} up")
    sh(f"ip addr flush dev {LAN}")
