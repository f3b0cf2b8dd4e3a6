"""Options of addresses by DHCP that are refused, and the routes that come with a lease."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from plugin.dhcp.model import Route
from plugin.dhcp.record import DhcpLease
from plugin.errors import InvalidRequest
from plugin.modes.registry import modes_of
from plugin.network.leased_addresses import routes_of
from plugin.protocol.messages import CreateNetwork, IpamData, NetworkOptions, StaticRoute
from tests.fake_dhcp import SERVER, lease
from tests.fakes import World
from tests.leased_mode import LeasedMode, asking, leased
from tests.unit import requests as rq

ANYWHERE = IPv4Network("0.0.0.0/0")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pools": ["10.0.0.0/24"]}, r"'10\.0\.0\.0/24' comes from another manager; create it with --ipam-driver null"),
        ({"pools": []}, "it has none for IPv4"),
        ({"dhcp": ""}, "the network has no addresses for containers with --ipam-driver null; add -o pynet.dhcp=on"),
        ({"dhcp": "v6"}, r"option 'pynet\.dhcp' must be on or off \(for IPv4; IPv6 addresses come from .*, not 'v6'"),
        ({"dhcp_timeout": "16"}, r"option 'pynet\.dhcp_timeout' must be a number of seconds from 1 to 15, not '16'"),
        ({"vendor_class": "Ä"}, r"option 'pynet\.vendor_class' must be up to 255 characters of ASCII"),
    ],
)
def test_a_network_with_bad_options_is_refused(options: dict[str, str], text: str) -> None:
    """Nothing is made."""
    world = World()
    world.modes |= modes_of(world.parts, [LeasedMode])
    before = world.snapshot()

    with pytest.raises(InvalidRequest, match=text):
        world.driver.create_network(leased(**options))
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("option", "value", "legal"),
    [
        ("hostname", "-web", "a name of letters, digits and hyphens"),
        ("hostname", "a" * 64, "a name of letters, digits and hyphens"),
        ("hostname", "web..lan", "a name of letters, digits and hyphens"),
        ("client_id", "döör", "a text of up to 254 characters"),
        ("client_id", "x" * 255, "a text of up to 254 characters"),
        ("vendor_class", "x" * 256, "up to 255 characters"),
        ("address", "192.168.50", "an IPv4 address, unicast"),
        ("address", "fd00::1", "an IPv4 address, unicast"),
        ("address", "224.0.0.1", "an IPv4 address, unicast"),
    ],
)
def test_an_endpoint_with_bad_options_is_refused(option: str, value: str, legal: str) -> None:
    """No server is asked."""
    world = World()
    world.modes |= modes_of(world.parts, [LeasedMode])
    world.driver.create_network(leased())
    with pytest.raises(InvalidRequest, match=rf"option 'pynet\.{option}' must be {legal}"):
        world.driver.create_endpoint(asking(**{option: value}))
    assert (world.dhcp.heard, world.store.list(DhcpLease)) == ([], [])


@pytest.mark.parametrize("option", ["hostname", "client_id", "vendor_class", "address"])
def test_options_of_dhcp_are_refused_without_it(option: str) -> None:
    """They would do nothing."""
    world = World()
    world.driver.create_network(rq.network())

    with pytest.raises(InvalidRequest, match=rf"option 'pynet\.{option}' is for containers with an address by DHCP"):
        world.driver.create_endpoint(rq.endpoint(driver_opts={f"pynet.{option}": "192.0.2.5"}))


def test_a_vlan_of_a_bridge_is_refused_with_the_way_out() -> None:
    """A server would be asked in the bridge's own VLAN, and give an address of the wrong LAN."""
    world = World()
    world.kernel.add_parent("br0", kind="bridge")
    null = IpamData(ANYWHERE)
    generic = {"pynet.mode": "lan", "parent": "br0", "pynet.dhcp": "on", "pynet.vlan": "60"}

    with pytest.raises(InvalidRequest, match=r"use -o pynet\.mode=macvlan -o parent=br0\.60"):
        world.driver.create_network(CreateNetwork(rq.NETWORK_ID, NetworkOptions(generic), (null,)))


FAR, NEAR, NOWHERE = IPv4Address("10.1.1.1"), IPv4Address("192.168.50.7"), IPv4Address("0.0.0.0")
TEN = IPv4Network("10.0.0.0/8")


@pytest.mark.parametrize(
    ("router", "routes", "gateway", "static"),
    [
        (SERVER, (), SERVER, []),
        (None, (), None, []),
        (SERVER, (Route(TEN, NEAR),), None, [StaticRoute(TEN, NEAR)]),
        (None, (Route(ANYWHERE, NEAR), Route(TEN, NOWHERE)), NEAR, [StaticRoute(TEN)]),
        (FAR, (), FAR, [StaticRoute(IPv4Network("10.1.1.1/32"))]),
        (None, (Route(ANYWHERE, NOWHERE),), None, [StaticRoute(ANYWHERE)]),
    ],
)
def test_routes_of_a_lease_become_those_of_the_container(
    router: IPv4Address | None, routes: tuple[Route, ...], gateway: IPv4Address | None, static: list[StaticRoute]
) -> None:
    """Routes go before the router (RFC 3442), and a next hop elsewhere is made reachable first."""
    assert routes_of(lease(router=router, routes=routes)) == (gateway, static)
