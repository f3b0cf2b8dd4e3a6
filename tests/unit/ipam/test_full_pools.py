"""Pools without a free address: what a refusal costs, and who finds what is kept."""

from ipaddress import ip_address, ip_network

import pytest

from plugin.errors import Exhausted
from plugin.ipam.driver import Ipam
from plugin.model.records import Lease
from plugin.protocol.messages import RequestPool
from plugin.store.memory import MemoryStore
from tests.unit.ipam.parts import SUPERNETS, CountingStore, Host, address, manager, release


@pytest.mark.parametrize("options", [{}, {"pynet.sticky": "name"}])
def test_a_full_pool_is_not_read_for_each_refusal(options: dict[str, str]) -> None:
    """A retry loop against a /16 would otherwise read 65,534 leases each time, with the pool's lock held."""
    store = CountingStore()
    ipam = manager(store)
    given = ipam.request_pool(RequestPool("pynet-local", ip_network("10.1.0.0/30"), None, options, False)).pool_id
    assert [address(ipam, given), address(ipam, given)] == ["10.1.0.1/30", "10.1.0.2/30"]
    for _ in range(9):
        with pytest.raises(Exhausted):
            address(ipam, given)
    assert store.listings[Lease] <= 4  # the table's, and of a sticky pool what is kept
    release(ipam, given, "10.1.0.1")
    assert address(ipam, given) == "10.1.0.1/30"


def test_an_address_that_is_kept_is_found_in_a_pool_that_kept_none() -> None:
    """What was said about a full sticky pool holds until a named lease is given back, and no longer."""
    ipam = manager()
    sticky = {"pynet.sticky": "name"}
    given = ipam.request_pool(RequestPool("pynet-local", ip_network("10.1.0.0/30"), None, sticky, False)).pool_id
    address(ipam, given, name="web"), address(ipam, given)
    with pytest.raises(Exhausted):
        address(ipam, given)
    release(ipam, given, "10.1.0.1")
    assert address(ipam, given) == "10.1.0.1/30"


def test_no_container_gets_an_address_that_the_host_has() -> None:
    """On a LAN the host is a machine, too; its address may be the gateway's, and is given to who names it."""
    host = Host()
    host.own = {ip_address("10.1.0.1"), ip_address("10.1.0.2")}
    ipam = Ipam(MemoryStore(), host, SUPERNETS)
    given = ipam.request_pool(RequestPool("pynet-local", ip_network("10.1.0.0/29"), None, {}, False)).pool_id

    assert address(ipam, given, gateway="yes") == "10.1.0.1/29"
    assert [address(ipam, given) for _ in range(4)] == [f"10.1.0.{number}/29" for number in (3, 4, 5, 6)]
    with pytest.raises(Exhausted):
        address(ipam, given)
    assert address(ipam, given, "10.1.0.2") == "10.1.0.2/29"
