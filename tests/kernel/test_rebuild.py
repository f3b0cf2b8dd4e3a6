"""A lost store is rebuilt from the real kernel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cli.server.records import KINDS
from netlink.nftables import Nftables, open_runner
from plugin.ipam.supernets import parse_supernets
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.modes.registry import in_its_mode
from plugin.options.network import NetworkSettings
from plugin.rebuild.networks import rebuilder
from plugin.store.base import Record
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]

BRIDGE, NET = "com.docker.network.bridge.", "com.docker.network."
OPTIONS: list[dict[str, str]] = [
    {},
    {BRIDGE + "name": "lan0", NET + "driver.mtu": "1400"},
    {BRIDGE + "enable_icc": "false", BRIDGE + "enable_ip_masquerade": "false"},
    {BRIDGE + "gateway_mode_ipv4": "routed", BRIDGE + "gateway_mode_ipv6": "nat-unprotected"},
    {NET + "host_ipv4": "192.0.2.7", NET + "host_ipv6": "2001:db8::7", BRIDGE + "trusted_host_interfaces": "lo:eth9"},
    {"pynet.gso": "on"},
]


def seen(pynet: Pynet, known: Sequence[Record] = ()) -> list[Record]:
    """Return what the kernel shows and ``known`` lacks."""
    rebuild = rebuilder(
        pynet.kernel, Nftables(open_runner()), "pynet", parse_supernets("", "0123456789abcdef"), in_its_mode
    )
    return sorted(rebuild(known), key=lambda record: record.key)


def stored(pynet: Pynet) -> list[Record]:
    """Return what the store holds of networks and endpoints."""
    records: list[Record] = [item.record for kind in (Network, Endpoint) for item in pynet.store.list(kind)]
    return sorted(records, key=lambda record: record.key)


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "named", "closed", "modes", "sources", "large packets"])
def test_a_network_with_both_families_comes_back_as_it_was(
    pynet: Pynet, two: tuple[Container, Container], options: dict[str, str]
) -> None:
    """A network of both families is rebuilt with equal records: ids, links, subnets, MACs, options, ports."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options))
    first = pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3)
    pynet.publish(first, "127.0.0.1:8080", "0.0.0.0:8081", "[::]:8081")

    assert [alike(record) for record in seen(pynet)] == [alike(record) for record in stored(pynet)]


def alike(record: Record) -> object:
    """Return a record in a form in which options have values; ports are a set."""
    if isinstance(record, Endpoint):
        return replace(record, published=tuple(sorted(set(record.published), key=str)))
    assert isinstance(record, Network)
    return replace(record, options={}), values(record)


def values(network: Network) -> list[object]:
    """Return the value of every option of a network."""
    return [option.__get__(network.settings, NetworkSettings) for option in NetworkSettings.options()]


def test_records_come_back_from_the_tables_of_an_earlier_version(
    pynet: Pynet, two: tuple[Container, Container]
) -> None:
    """The store is lost while pynet is upgraded, and sets and maps have their former names."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    pynet.publish(pynet.attach(two[0], rq.NETWORK_ID, 2), "8080")
    pynet.attach(two[1], rq.NETWORK_ID, 3)
    sh(f"nft -f {Path(__file__).with_name('earlier_tables.nft')}")

    assert [alike(record) for record in seen(pynet)] == [alike(record) for record in stored(pynet)]


def test_limits_come_back_as_those_of_their_containers(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """The kernel does not tell whether a rate was the network's; the limits of running containers stay as they are."""
    pynet.driver.create_network(rq.network(options={"pynet.rate_out": "20mbit"}))
    pynet.attach(two[0], rq.NETWORK_ID, 2, rate_in="1.5gbit")
    pynet.attach(two[1], rq.NETWORK_ID, 3, rate_out="off")
    found = {record.key[-2:]: record.driver_opts for record in seen(pynet) if isinstance(record, Endpoint)}

    assert found == {"02": {"pynet.rate_in": "1.5gbit", "pynet.rate_out": "20mbit"}, "03": {}}


def test_what_is_known_is_not_made_again(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """With the network salvaged only the lost endpoint comes back; a link that was being deleted does not."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    kept = pynet.attach(two[1], rq.NETWORK_ID, 3)
    records = stored(pynet)

    assert [record.key for record in seen(pynet, records[:-1])] == [f"{rq.NETWORK_ID}/{kept.endpoint_id}"]
    pynet.driver.delete_endpoint(kept)
    tombstones: list[Record] = [item.record for kind in KINDS[2:3] for item in pynet.store.list(kind)]
    assert seen(pynet, [*records[:-1], *tombstones]) == []


def test_a_bridge_of_the_users_is_found_by_its_endpoints(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """It carries no alias of pynet's; the network comes back as adopted, and its address stays when it is removed."""
    sh("ip link add br0 address 02:00:00:00:00:07 type bridge; ip link set br0 up; ip addr add 10.9.0.1/24 dev br0")
    pynet.driver.create_network(rq.network(options={BRIDGE + "name": "br0"}))
    pynet.attach(two[0], rq.NETWORK_ID, 2)

    assert [alike(record) for record in seen(pynet)] == [alike(record) for record in stored(pynet)]


def test_pools_and_leases_of_the_supernets_come_back(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A subnet that pynet's address manager chose has a pool again, in which every address that is seen is taken."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.200.7.1/24"))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    found = seen(pynet)

    assert [record.key for record in found if isinstance(record, Pool)] == ["pynet-local/10.200.7.0/24"]
    leases = [(str(lease.address), lease.purpose) for lease in found if isinstance(lease, Lease)]
    assert leases == [("10.200.7.1", "gateway"), ("10.200.7.2", "endpoint")]


def test_flushed_tables_give_the_default_options(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """No table is no sign that the network was closed; addresses of endpoints are then unknown."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    sh("nft flush ruleset")
    network, endpoint = seen(pynet)

    assert isinstance(network, Network)
    assert isinstance(endpoint, Endpoint)
    assert (network.settings.icc, endpoint.ipv4) == (True, None)


@pytest.mark.parametrize("closed", [False, True], ids=["open", "internal, without icc"])
def test_a_network_on_a_lan_is_found_by_its_ports(
    pynet: Pynet, two: tuple[Container, Container], *, closed: bool
) -> None:
    """Subnets, gateways and what it is closed to are in the alias of a port, as the host has no address there."""
    sh("ip link add br0 address 02:00:00:00:00:07 type bridge; ip link set br0 up")
    options = {"pynet.mode": "lan", "parent": "br0", **({BRIDGE + "enable_icc": "false"} if closed else {})}
    request = rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options=options, internal=closed)
    pynet.driver.create_network(request)
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    network, endpoint = seen(pynet)

    assert isinstance(network, Network)
    known = [replace(record, parent=None) if isinstance(record, Network) else record for record in stored(pynet)]
    assert [alike(record) for record in (network, endpoint)] == [alike(record) for record in known]
