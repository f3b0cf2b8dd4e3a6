"""A host returns, and another one has the address of its container: the container's port is closed."""

from ipaddress import ip_address

import pytest

from netlink.nft_elements import Element
from netlink.vxlan import Forward, Neighbour, Remote
from plugin.errors import PynetError
from plugin.firewall import sets
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint
from plugin.protocol.messages import CreateEndpoint, EndpointRef, Interface
from plugin.publish.binder import ports_owner
from plugin.reconcile.closing import Closing
from tests.overlay_fakes import OverlayWorld, host_with_endpoint, overlay
from tests.unit import requests as rq

PORT, TUNNEL = host_link_name(rq.ENDPOINT.endpoint_id), "pnva1a1a1a1a1a1"
ELSEWHERE = CreateEndpoint(rq.OTHER_ID, "e2" * 32, Interface(address=rq.endpoint().interface.address))


def taken_over() -> tuple[OverlayWorld, OverlayWorld]:
    """Return a host whose container lost its address while it was dead, and the host that has the address."""
    one = host_with_endpoint()
    two = OverlayWorld(2, one.real)
    two.driver.create_network(overlay(rq.OTHER_ID))
    two.dead.add("h1")
    two.driver.create_endpoint(ELSEWHERE)
    return one, two


def elements(world: OverlayWorld, owner: str) -> list[Element]:
    """Return the rules of an owner."""
    owned = world.firewall.owners().get(owner)
    return list(owned.elements) if owned else []


def closing(world: OverlayWorld) -> Closing:
    """Return the part that closes ports and opens them."""
    return Closing(world.runtime, world.survey, world.removal)


def own(world: OverlayWorld) -> Endpoint:
    """Return the host's record of its container."""
    [endpoint] = world.store.list(Endpoint)
    return endpoint.record


def test_nothing_comes_from_a_container_whose_address_is_elsewhere() -> None:
    """Its port may send from nowhere, the bridge forgets its MAC, and the tables lead to the other container."""
    one, two = taken_over()
    one.hear()
    one.hear()  # of its own record
    assert own(one).taken == "h2"
    assert elements(one, PORT) == [sets.GUARDED.element(PORT)]
    [peer] = two.store.list(Endpoint)
    mac, address = peer.record.mac, rq.endpoint().interface.address
    assert address is not None
    expected = {Forward(mac), Remote(mac, ip_address("192.0.2.2")), Neighbour(address.ip, mac)}
    assert expected <= one.tunnels.tables[TUNNEL]


def test_it_is_opened_when_the_address_is_free() -> None:
    """The rules are as before, and the others hear of it again."""
    one, two = taken_over()
    before = elements(one, PORT), own(one)
    one.hear()
    two.driver.delete_endpoint(EndpointRef(rq.OTHER_ID, "e2" * 32))
    one.hear()
    assert (elements(one, PORT), own(one)) == before
    two.hear()
    assert any(isinstance(entry, Neighbour) for entry in two.tunnels.tables["pnvb2b2b2b2b2b2"])


def test_it_stays_closed_past_a_restart_while_the_store_is_away() -> None:
    """The record tells it, so no repair opens the port."""
    one, _ = taken_over()
    one.hear()
    one.shared.away = True
    one.firewall.forget(PORT)
    one.reconciler.reconcile()
    assert elements(one, PORT) == [sets.GUARDED.element(PORT)]


def test_its_ports_lead_nowhere() -> None:
    """They would lead to the container of the other host."""
    one, _ = taken_over()
    one.driver.program_external_connectivity(rq.program(8080))
    ports = ports_owner(rq.ENDPOINT_ID)
    assert elements(one, ports)
    one.hear()
    assert elements(one, ports) == []
    assert own(one).published


def test_a_container_that_is_gone_is_not_closed() -> None:
    """The engine may remove it at the same moment."""
    one, _ = taken_over()
    endpoint = own(one)
    one.driver.delete_endpoint(rq.ENDPOINT)
    closing(one).taken(endpoint, "h2")
    assert one.store.list(Endpoint) == []


@pytest.mark.parametrize("host", ["h2", ""])
def test_whatever_step_fails_all_is_as_before(host: str) -> None:
    """Record, rules and ports are as before, and the next comparison tries again."""
    one, _ = taken_over()
    if not host:
        closing(one).taken(own(one), "h2")
    endpoint = own(one)
    for step in range(1, 50):
        before = one.snapshot()
        one.failing_at(step)
        try:
            closing(one).taken(endpoint, host)
        except PynetError:
            one.healed()
            assert one.snapshot() == before
        else:
            break
    one.healed()
    assert (own(one).taken, step > 1) == (host, True)
