"""Addresses by DHCP in the life of an endpoint, on an imaginary host with an imaginary server."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network

import pytest
from structlog.testing import capture_logs

from cli.commands.networks import ENDPOINT_COLUMNS, NETWORK_COLUMNS, rows_of
from cli.listing import ListFlags, listed
from cli.server.reports import network_report
from handlers.schemas.own import NetworksReply
from netlink.errors import KernelError
from plugin.dhcp.model import FOREVER, ClientIdentity, NoAddress, NoServer
from plugin.dhcp.record import DhcpLease
from plugin.dhcp.trouble import flaws
from plugin.engine.names import Known
from plugin.errors import Conflict, Failed, PynetError
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import modes_of
from plugin.network.endpoint import endpoint_of
from plugin.network.leased_addresses import LeasedAddresses
from plugin.protocol.messages import EndpointRef
from plugin.request.undo import Undo
from plugin.store.base import Put
from tests.fake_dhcp import POOL, SERVER, lease
from tests.fakes import World
from tests.leased_mode import LeasedMode, asking, leased
from tests.unit import requests as rq

FIRST, SECOND = POOL[:2]
LINK = f"pnt{rq.NETWORK_ID[:12]}"
KEY = f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}"
CURE = "run pynet endpoint renew for the container, or start it again"
USES = "endpoint 'e0e0e0e0e0e0' of network 'a1a1a1a1a1a1' uses address '192.168.50.100'"
ANYWHERE = IPv4Network("0.0.0.0/0")


@pytest.fixture
def world() -> World:
    """Return an imaginary host with a network with DHCP."""
    return a_world()


def a_world(**options: str) -> World:
    """Return an imaginary host with a network with DHCP and ``options``."""
    world = World()
    world.modes |= modes_of(world.parts, [LeasedMode])
    world.driver.create_network(leased(**options))
    return world


def run(world: World, endpoint_id: str = rq.ENDPOINT_ID) -> None:
    """Let the engine move the endpoint's link into a container."""
    del world.kernel.by_name[f"pnc{endpoint_id[:12]}"]


def restarted(world: World) -> World:
    """Return the same host after a restart of pynet."""
    again = World(world.kernel, world.nft, world.failing_store)
    again.modes |= modes_of(again.parts, [LeasedMode])
    again.dhcp = world.dhcp
    again.dhcp.kept.clear()
    records = again.reconciler.recover()
    again.leased.recall(records.networks, records.endpoints)
    return again


def settle(done: Callable[[], object]) -> None:
    """Wait for the thread of the leases."""
    until = time.monotonic() + 5
    while not done() and time.monotonic() < until:
        time.sleep(0.001)
    assert done()


def test_the_engine_hears_the_leased_address_and_its_router(world: World) -> None:
    """The lease and the endpoint are stored with the address, and the server renews it from then on."""
    reply = world.driver.create_endpoint(asking()).interface
    joined = world.driver.join(rq.join())

    assert (reply.address, bool(reply.mac_address)) == (FIRST, True)
    assert (joined.gateway, joined.disable_gateway_service) == (SERVER, True)
    (stored,) = world.store.list(DhcpLease)
    (endpoint,) = world.store.list(Endpoint)
    assert (stored.record.lease, endpoint.record.ipv4) == (lease(), FIRST)
    ((kept, _, hear),) = world.dhcp.kept.values()
    assert (kept, hear) == (lease(), f"pnh{rq.ENDPOINT_ID[:12]}")


def test_the_lease_is_given_back_with_the_endpoint(world: World) -> None:
    """Leave keeps it, as Join may follow; DeleteEndpoint gives it back."""
    before = world.snapshot()
    world.driver.create_endpoint(asking())
    world.driver.leave(rq.ENDPOINT)
    assert world.dhcp.kept

    world.driver.delete_endpoint(rq.ENDPOINT)

    world.bury()
    assert world.snapshot() == before


def test_the_leases_are_given_back_with_the_network() -> None:
    """The engine may remove a network with its endpoints."""
    world = a_world()
    world.driver.create_endpoint(asking())

    world.driver.delete_network(rq.NETWORK)

    assert (world.dhcp.given, world.dhcp.kept, world.store.list(DhcpLease)) == ({}, {}, [])


STEPS = range(1, a_world().steps_of(lambda driver: driver.create_endpoint(asking())) + 1)


@pytest.mark.parametrize("step", STEPS)
def test_a_creation_that_fails_leaves_nothing_at_the_server(step: int) -> None:
    """Whatever step breaks, host and server are as before, and the same call then succeeds."""
    world = a_world()
    before = world.snapshot()

    with pytest.raises((KernelError, PynetError), match="simulated failure"):
        world.failing_at(step).create_endpoint(asking())
    world.healed()
    world.bury()
    assert world.snapshot() == before
    world.driver.create_endpoint(asking())


def test_a_repeated_request_gets_the_same_address(world: World) -> None:
    """The server is asked once."""
    first = world.driver.create_endpoint(asking())

    assert world.driver.create_endpoint(asking()) == first
    assert len(world.dhcp.heard) == 1


def test_a_named_container_is_known_again(world: World) -> None:
    """MAC and client id follow from host, link and name, whatever the id of the endpoint."""
    world.driver.create_endpoint(asking(hostname="web"))
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.bury()
    world.driver.create_endpoint(asking("f1" * 32, hostname="web"))

    (_, one, _, _), (_, other, _, _) = world.dhcp.heard
    assert one == other
    assert re.fullmatch(rb"\0pynet:[0-9a-f]{12}:web", one.client_id)
    assert one.host_name == "web"


def test_a_container_that_comes_again_asks_for_the_address_that_it_had(world: World) -> None:
    """A server such as Kea forgets the client with its release, and would give it the first free address."""
    for name in ("db", "web"):
        world.driver.create_endpoint(asking(name * 20, hostname=name))
    for name in ("db", "web"):
        world.driver.delete_endpoint(EndpointRef(rq.NETWORK_ID, name * 20))
    reply = world.driver.create_endpoint(asking("f1" * 32, hostname="web"))

    assert reply.interface.address == SECOND
    assert world.dhcp.heard[-1][3].over(0)  # type: ignore[union-attr]


def test_a_name_means_another_client_on_another_host_or_link() -> None:
    """So services of the same name on two hosts of a LAN do not take each other's address."""
    wanted = [_client(host, link) for host, link in (("a", "eth0"), ("b", "eth0"), ("a", "eth1"), ("a", "eth0"))]

    assert len(set(wanted)) == 3
    assert wanted[0] == wanted[3]


def _client(host: str, link: str) -> ClientIdentity:
    world = a_world()
    (network,) = [item.record for item in world.store.list(Network)]
    leased = LeasedAddresses(world.runtime, world.removal.owners, host)
    endpoint = endpoint_of(asking(hostname="web"))
    with pytest.raises(Failed), Undo() as undo:
        mode = world.modes["leased"]
        leased.lease(mode, replace(network, link=link), endpoint, None, undo)
        raise Failed("enough")
    return world.dhcp.heard[-1][1]


def test_a_container_without_a_name_is_known_by_its_mac(world: World) -> None:
    """Two of them have different MACs, and a MAC of the user is taken as it is."""
    world.driver.create_endpoint(asking())
    world.driver.create_endpoint(asking("f1" * 32, mac="02:00:00:00:00:05"))

    clients = [identity for _, identity, _, _ in world.dhcp.heard]
    assert [client.client_id for client in clients] == [b"", b""]
    assert clients[1].mac == "02:00:00:00:00:05" != clients[0].mac


def test_containers_with_the_mac_of_their_link_are_told_apart(world: World) -> None:
    """Each has a client id of its own, as in mode ipvlan, where all have the MAC of the parent."""
    world.kernel.change(LINK, mac="02:00:00:00:00:05")
    for endpoint_id in ("f1" * 32, "f2" * 32):
        with suppress(PynetError):  # the mode of this test gives each container a MAC of its own
            world.driver.create_endpoint(asking(endpoint_id, mac="02:00:00:00:00:05"))

    one, other = (identity.client_id for _, identity, _, _ in world.dhcp.heard)
    assert re.fullmatch(rb"\0pynet:[0-9a-f]{12}:f1f1f1f1f1f1", one)
    assert one != other


def test_the_server_is_told_what_the_options_say() -> None:
    """Those of the endpoint go before those of the network."""
    world = a_world(vendor_class="rack 7")
    world.driver.create_endpoint(asking(client_id="ff:00:01", hostname="web.lan"))
    world.driver.create_endpoint(asking("f1" * 32, client_id="door", vendor_class=""))

    told = [(it.client_id, it.host_name, it.vendor_class) for _, it, _, _ in world.dhcp.heard]
    assert told == [(b"\xff\0\1", "web.lan", "rack 7"), (b"\0door", "", "")]


def test_a_wanted_address_is_given_or_refused(world: World) -> None:
    """Another answer of the server is given back."""
    reply = world.driver.create_endpoint(asking(address="192.168.50.105"))
    assert reply.interface.address == IPv4Interface("192.168.50.105/24")

    with pytest.raises(Conflict, match=r"address '192\.168\.50\.9' was asked for, and server 192\.168\.50\.1 gives"):
        world.driver.create_endpoint(asking("f1" * 32, address="192.168.50.9"))
    assert len(world.dhcp.given) == len(world.store.list(DhcpLease)) == 1


def silence(world: World) -> None:
    """Let no server answer."""
    world.dhcp.silent = True


def exhaust(world: World) -> None:
    """Let the server have no address."""
    world.dhcp.pool = ()


@pytest.mark.parametrize(
    ("spoil", "kind", "text"),
    [
        (silence, NoServer, "for network 'a1a1a1a1a1a1': no DHCP server answers within 3 s"),
        (exhaust, NoAddress, "for network 'a1a1a1a1a1a1': server 192.168.50.1 has no address left"),
    ],
)
def test_the_user_is_told_why_there_is_no_address(
    spoil: Callable[[World], None], kind: type[PynetError], text: str
) -> None:
    """The sentence names link and network, and nothing is left."""
    world = a_world(dhcp_timeout="3")
    before = world.snapshot()
    spoil(world)

    with pytest.raises(kind, match=f"get an address by DHCP on '{LINK}' {text}"):
        world.driver.create_endpoint(asking())
    assert world.snapshot() == before
    (told,) = world.reconciler.status().failing
    assert text.partition(": ")[2] in told.sentence
    world.driver.delete_network(rq.NETWORK)
    assert not world.reconciler.status().failing


def test_two_containers_cannot_have_one_name(world: World) -> None:
    """The server would give both the same address; a name whose container is gone can be used again."""
    world.driver.create_endpoint(asking(hostname="web"))
    run(world)

    with pytest.raises(Conflict, match="MAC address"):
        world.driver.create_endpoint(asking("f1" * 32, hostname="web"))
    with pytest.raises(Conflict, match="the same MAC address, host name or client id"):
        world.driver.create_endpoint(asking("f1" * 32, hostname="web", mac="02:00:00:00:00:05"))
    assert len(world.dhcp.given) == 1


def test_a_name_passes_from_an_endpoint_that_the_engine_gave_up(world: World) -> None:
    """Its lease passes too: the server is asked for the same again, and nothing is given back."""
    world.driver.create_endpoint(asking(hostname="web"))

    reply = world.driver.create_endpoint(asking("f1" * 32, hostname="web"))

    assert (reply.interface.address, world.dhcp.heard[-1][3]) == (FIRST, lease())
    assert [item.record.endpoint_id for item in world.store.list(DhcpLease)] == ["f1" * 32]
    assert [item.record.id for item in world.store.list(Endpoint)] == ["f1" * 32]
    assert (list(world.dhcp.given.values()), len(world.dhcp.kept)) == ([FIRST], 1)


def test_leases_are_kept_on_after_a_restart(world: World) -> None:
    """No server is asked: the lease lasts, and is renewed when its time comes."""
    world.driver.create_endpoint(asking())
    run(world)

    again = restarted(world)

    assert len(again.dhcp.heard) == 1
    assert [kept for kept, _, _ in again.dhcp.kept.values()] == [lease()]
    again.driver.delete_endpoint(rq.ENDPOINT)
    assert (again.dhcp.given, again.store.list(DhcpLease)) == ({}, [])


def test_a_lease_is_taken_up_again_after_a_reboot(world: World) -> None:
    """The endpoints are gone with their links; the same container asks for the address that it had."""
    world.driver.create_endpoint(asking(hostname="web"))
    for link in list(world.kernel.by_name):
        del world.kernel.by_name[link]
    again = restarted(world)
    assert (again.store.list(Endpoint), list(again.dhcp.given.values())) == ([], [FIRST])

    reply = again.driver.create_endpoint(asking("f1" * 32, hostname="web"))

    assert (reply.interface.address, again.dhcp.heard[-1][3]) == (FIRST, lease())
    assert [item.record.endpoint_id for item in again.store.list(DhcpLease)] == ["f1" * 32]


def test_a_lease_that_was_never_stored_is_given_back_after_a_kill(world: World) -> None:
    """Only the intent is stored: the server is asked again, as the same client, and gets its address back."""
    world.dhcp.given["02:00:00:00:00:09"] = SECOND
    world.store.transact(Put(DhcpLease(rq.NETWORK_ID, rq.ENDPOINT_ID, LINK, "02:00:00:00:00:09")))
    again = restarted(world)

    settle(lambda: not again.dhcp.given)
    settle(lambda: not again.store.list(DhcpLease))


def test_a_lease_that_no_server_renews_is_said_before_it_ends() -> None:
    """From the time on at which any server is asked (T2), and as lost when it is over."""
    held = DhcpLease("a1", "e0", "eth0", "02:00:00:00:00:09", lease=lease(), address=FIRST)

    told = {now: [each.kind for each in flaws([held], 1000 + now)] for now in (3149, 3150, 3600)}

    assert told == {3149: [], 3150: ["LeaseNotRenewed"], 3600: ["LeaseLost"]}


def test_commands_show_the_lease(world: World) -> None:
    """A network is listed as one with addresses by DHCP, and an endpoint with the end of its lease."""
    world.driver.create_endpoint(asking())
    (network,), (end,) = (item.record for item in world.store.list(Network)), world.store.list(Endpoint)
    leases = {item.record.key: item.record for item in world.store.list(DhcpLease)}
    (row,) = rows_of(NetworksReply().dump([network_report(network, [end.record], {}, leases)]), Known())

    assert listed([row], NETWORK_COLUMNS, ListFlags(form="{{.Subnets}}")) == "by DHCP"
    shown = listed(row["endpoints"], ENDPOINT_COLUMNS, ListFlags(form="{{.Addresses}} {{.Lease}}"))
    assert shown.startswith("192.168.50.100/24 until 1970-01-01 ")
    assert shown.endswith(", by 192.168.50.1")


def test_a_renewed_lease_is_stored(world: World) -> None:
    """A start after it goes on with its times."""
    world.driver.create_endpoint(asking())
    world.dhcp.change(lease(taken=2800))

    settle(lambda: world.store.get(DhcpLease, KEY).record.lease == lease(taken=2800))  # type: ignore[union-attr]


def test_a_lease_that_moves_or_is_lost_is_said(world: World) -> None:
    """The container goes on with its address, as its record says."""
    world.driver.create_endpoint(asking())
    with capture_logs() as lines:
        world.dhcp.change(lease(SECOND, lasts=FOREVER))
        settle(lambda: lines)
        moved = world.reconciler.status().failing
        world.dhcp.change(None)
        settle(lambda: lines[1:])

    assert [(line["event"], line["address"]) for line in lines] == [
        ("lease moved", str(SECOND)),
        ("lease lost", str(SECOND)),
    ]
    assert [(each.kind, each.sentence) for each in (*moved, *world.reconciler.status().failing)] == [
        ("LeaseMoved", f"{USES}, and server '192.168.50.1' gives it '192.168.50.101' now: {CURE}"),
        (
            "LeaseLost",
            f"{USES}, whose lease has ended: look for the DHCP server on '{LINK}', or start the container again",
        ),
    ]
    assert world.store.get(Endpoint, KEY).record.ipv4 == FIRST  # type: ignore[union-attr]
