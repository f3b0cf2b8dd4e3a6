"""Encrypted networks on imaginary hosts: keys, peers and routes, and what is said when hosts do not fit."""

import threading
from dataclasses import replace
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from cli.commands.cluster import key_change
from handlers.schemas.own import ChangeKeysReply
from netlink.wireguard import WireGuardPeer
from plugin.cluster.overlay.records import ClusterNetwork, Member
from plugin.cluster.secrecy.records import TUNNELS, HostKeys, tunnel_address
from plugin.errors import Conflict, InvalidRequest, Unsupported
from plugin.firewall.sets import CARRIERS, ENCRYPTED
from plugin.model.names import carrier_name
from plugin.model.records import Network
from plugin.protocol.messages import NetworkRef
from plugin.protocol.own_messages import KeyChange
from plugin.store.base import Put
from plugin.store.rows import encode
from tests.contract.contract import document_validator
from tests.engine.lab.process import wait_until
from tests.overlay_fakes import SHARED_KINDS, OverlayWorld, overlay
from tests.unit import requests as rq

FIRST, SECOND = carrier_name("pynet", 0), carrier_name("pynet", 1)


@pytest.fixture
def world() -> OverlayWorld:
    """Return a host of a cluster."""
    return OverlayWorld()


@pytest.fixture
def other(world: OverlayWorld) -> OverlayWorld:
    """Return another host of the same cluster."""
    return OverlayWorld(2, world.real)


def both(world: OverlayWorld, other: OverlayWorld) -> None:
    """Make the network on both hosts, and let them hear of each other."""
    world.driver.create_network(overlay(encrypt="wireguard"))
    other.driver.create_network(overlay(rq.OTHER_ID, encrypt="wireguard"))
    hear(world, other)


def hear(*worlds: OverlayWorld) -> None:
    """Let hosts hear of each other, twice: what one writes concerns the other."""
    for _ in range(2):
        for world in worlds:
            world.hear()


def test_an_encrypted_network_goes_to_addresses_inside_the_tunnels(world: OverlayWorld, other: OverlayWorld) -> None:
    """One link a host, one peer with one address, and VXLAN from and to these addresses; the MTU follows."""
    both(world, other)

    assert world.tunnels.source("pnva1a1a1a1a1a1") == tunnel_address("h1")
    assert world.wireguard.routes == {tunnel_address("h2"): FIRST}
    [peer] = world.wireguard.links[FIRST].peers.values()
    theirs = other.wireguard.links[FIRST].public
    assert peer == WireGuardPeer(theirs, ip_address("192.0.2.2"), 51830, tunnel_address("h2"))
    assert (world.kernel.by_name[FIRST].mtu, world.kernel.by_name["pnva1a1a1a1a1a1"].mtu) == (1440, 1370)
    assert all(member.record.address in TUNNELS for member in world.real.list(Member))


def test_frames_are_accepted_from_the_tunnels_alone(world: OverlayWorld, other: OverlayWorld) -> None:
    """The rules name network and links, also without the link, and members by their addresses inside."""
    both(world, other)
    elements = {(element.of, element.text) for owned in world.firewall.owners().values() for element in owned.elements}

    assert {text for of, text in elements if of is CARRIERS} == {f'"{FIRST}"', f'"{SECOND}"'}
    assert len([text for of, text in elements if of is ENCRYPTED]) == 1
    assert any(str(tunnel_address("h2")) in text for _, text in elements)
    assert not any("192.0.2.2" in text for _, text in elements)


def test_a_whole_life_leaves_nothing(world: OverlayWorld) -> None:
    """Two networks share the link, which goes with the second; so do the keys and the record."""
    before = world.snapshot()
    world.driver.create_network(overlay(encrypt="wireguard"))
    world.driver.create_network(overlay(rq.OTHER_ID, "10.8.0.1/24", network="green", encrypt="wireguard"))
    world.driver.delete_network(rq.NETWORK)
    assert world.kernel.link_exists(FIRST)
    world.driver.delete_network(NetworkRef(rq.OTHER_ID))
    world.bury()

    assert world.snapshot() == before


def test_every_failure_leaves_nothing() -> None:
    """Whatever step of the creation fails, host and cluster store are as before."""
    steps = OverlayWorld().steps_of(lambda driver: driver.create_network(overlay(encrypt="wireguard")))
    assert steps > 10
    for step in range(1, steps + 1):
        world = OverlayWorld()
        before = world.snapshot()
        with pytest.raises(Exception, match="step"):
            world.failing_at(step).create_network(overlay(encrypt="wireguard"))
        world.healed()
        world.bury()
        world.hear()
        assert world.snapshot() == before, step


def test_a_kernel_without_wireguard_is_refused(world: OverlayWorld) -> None:
    """The sentence names the module, and nothing is made."""
    world.wireguard.supported = False
    before = world.snapshot()

    with pytest.raises(Unsupported, match=r"has no WireGuard \(module 'wireguard'\); load or install it"):
        world.driver.create_network(overlay(encrypt="wireguard"))

    world.bury()
    assert world.snapshot() == before


def test_a_taken_port_is_said(world: OverlayWorld) -> None:
    """With the command that shows who has it, and the setting."""
    world.wireguard.taken = {51830}
    before = world.snapshot()

    with pytest.raises(Conflict, match=r"UDP port 51830, .* is taken on this host; .*PYNET_WIREGUARD_PORT"):
        world.driver.create_network(overlay(encrypt="wireguard"))

    world.bury()
    assert world.snapshot() == before


def test_a_bad_value_is_refused(world: OverlayWorld) -> None:
    """With the legal ones."""
    with pytest.raises(InvalidRequest, match=r"'pynet\.encrypt' must be off or wireguard, not 'ipsec'"):
        world.driver.create_network(overlay(encrypt="ipsec"))


@pytest.mark.parametrize("tunnel", ["direct", "auto"])
def test_a_network_without_a_tunnel_is_not_encrypted(world: OverlayWorld, tunnel: str) -> None:
    """Packets would go as they are: the options contradict each other."""
    with pytest.raises(InvalidRequest, match=f"what is encrypted goes by the tunnel, and '{tunnel}' sends packets as"):
        world.driver.create_network(overlay(encrypt="wireguard", tunnel=tunnel))


@pytest.mark.parametrize(("first", "second"), [("wireguard", "off"), ("off", "wireguard")])
def test_hosts_that_disagree_are_refused(world: OverlayWorld, other: OverlayWorld, first: str, second: str) -> None:
    """Also after an earlier pynet has written the agreement without what it does not know."""
    world.driver.create_network(overlay(encrypt=first))
    agreed = world.real.list(ClusterNetwork)[0].record
    world.real.transact(Put(replace(agreed, encrypt="")))
    before = other.snapshot()

    with pytest.raises(Conflict, match=f"has encryption {first} on host 'h1', and this host was told {second}"):
        other.driver.create_network(overlay(rq.OTHER_ID, encrypt=second))

    assert other.snapshot() == before


def test_a_member_in_the_clear_gets_nothing(world: OverlayWorld, other: OverlayWorld) -> None:
    """A host with an earlier pynet may write itself into the network; nobody sends to it."""
    both(world, other)
    world.real.transact(Put(Member("blue", "h3", "c" * 64, ip_address("2001:db8::3"))))
    world.hear()
    refused = world.peers.watching.of("blue")

    assert refused
    said = refused.difference(everything=True).refused.values()
    assert "address 2001:db8::3 is not inside the encrypted tunnels" in said


def test_a_member_with_the_address_of_another_host_gets_nothing(world: OverlayWorld, other: OverlayWorld) -> None:
    """The address follows from the host's id."""
    both(world, other)
    world.real.transact(Put(Member("blue", "h3", "c" * 64, tunnel_address("h2"))))
    world.hear()
    records = world.peers.watching.of("blue")

    assert records
    assert any("is another host's inside" in why for why in records.difference(everything=True).refused.values())


def test_a_change_of_keys_waits_for_handshakes(world: OverlayWorld, other: OverlayWorld) -> None:
    """Both hosts have both links; they send by the old one until the new one has proved itself, then drop the old."""
    both(world, other)
    world.secrecy.rotate()
    hear(world, other)
    assert all({*each.wireguard.links} == {FIRST, SECOND} for each in (world, other))
    assert world.wireguard.routes == {tunnel_address("h2"): FIRST}
    assert world.wireguard.greeted[-1] == other.wireguard.links[SECOND].public
    for each in (world, other):
        each.wireguard.shake(SECOND, 1000)
    hear(world, other)
    assert world.wireguard.routes == {tunnel_address("h2"): SECOND}
    with pytest.raises(Conflict, match="the last change is not over"):
        world.secrecy.rotate()


def test_a_change_of_keys_is_begun_by_command(world: OverlayWorld) -> None:
    """With the new generation as text and JSON; a host without an encrypted network is told so."""
    with pytest.raises(Conflict, match="this host has no encrypted network"):
        world.secrets.rotate()
    world.driver.create_network(overlay(encrypt="wireguard"))

    begun = KeyChange(world.secrets.rotate())
    assert begun.sentence.startswith("all hosts change to keys of generation 2")
    document_validator("cluster-rekey").validate(key_change(ChangeKeysReply().dump(begun)))


def test_a_thread_works_while_there_is_an_encrypted_network(world: OverlayWorld, other: OverlayWorld) -> None:
    """It follows the records of other hosts, and ends with the last network."""
    world.secrets.start()
    assert not _thread()
    world.driver.create_network(overlay(encrypt="wireguard"))
    other.driver.create_network(overlay(rq.OTHER_ID, encrypt="wireguard"))
    wait_until(lambda: world.wireguard.routes == {tunnel_address("h2"): FIRST}, "a route to the other host", 30)
    assert _thread()

    world.driver.delete_network(rq.NETWORK)
    wait_until(lambda: not _thread(), "the end of the thread", 30)


def _thread() -> bool:
    return any(thread.name == "secrecy" for thread in threading.enumerate())


def test_harm_to_the_link_is_found_and_mended(world: OverlayWorld, other: OverlayWorld) -> None:
    """A deleted link is a finding of the dry run, and the reconciler makes it with its peers and routes."""
    both(world, other)
    before = world.wireguard.snapshot()
    world.kernel.delete_link(world.kernel.by_name[FIRST])
    assert FIRST in str(world.dry_run.look())
    world.reconciler.reconcile()

    assert world.wireguard.snapshot() == before


def test_private_keys_are_nowhere_else(world: OverlayWorld, other: OverlayWorld) -> None:
    """Not in a record of either store, in a log, in an error, in a finding, nor in an answer."""
    with capture_logs() as logs:
        both(world, other)
        world.secrecy.rotate()
        hear(world, other)
        world.wireguard.taken = {51830}
        with pytest.raises(Conflict) as error:
            world.secrecy.sync()
        world.kernel.delete_link(world.kernel.by_name[SECOND])
        said = [logs, str(error.getrepr()), world.dry_run.look(), world.secrets.problems({})]
    kinds = (Network, *SHARED_KINDS)
    stored = [encode(item.record) for kind in kinds for item in (*world.store.list(kind), *world.real.list(kind))]

    privates = [key.private for each in (world, other) for key in each.keys.read()]
    assert len(privates) == 4
    assert not [private for private in privates if private in f"{said} {stored}"]


def test_a_host_that_does_not_answer_is_named(world: OverlayWorld, other: OverlayWorld) -> None:
    """With its name, the address and the port that may be closed; not at once, and not after a handshake."""
    both(world, other)
    state, theirs = world.secrecy.state, [each.record for each in world.real.list(HostKeys) if each.record.host == "h2"]
    since = state.silent["h2"]

    assert state.problems(theirs, since + 1, {}) == []
    [problem] = state.problems(theirs, since + 60, {"h2": "two"})
    assert "host 'two' has not answered WireGuard at 192.0.2.2 yet: UDP port 51830 must be open" in problem
    world.wireguard.shake(FIRST, 1000)
    world.hear()
    assert world.secrecy.state.silent == {}


def test_a_start_goes_on_without_the_store(world: OverlayWorld, other: OverlayWorld) -> None:
    """The link is made again; peers come when the store is back, and the problem is said meanwhile."""
    both(world, other)
    again = OverlayWorld(1, world.real, world.failing_store)
    again.shared.away = True
    again.resume()
    again.secrecy.sync()
    assert again.wireguard.links[FIRST].peers == {}

    again.shared.away = False
    again.hear()
    assert again.wireguard.routes == {tunnel_address("h2"): FIRST}


def test_a_crash_at_the_last_network_leaves_no_key(world: OverlayWorld) -> None:
    """Keys and record that were left go at the next clean-up."""
    world.driver.create_network(overlay(encrypt="wireguard"))
    again = OverlayWorld(1, world.real)
    again.keys.write(world.keys.read())
    again.secrecy.sweep()

    assert list(again.keys.read()) == []
    assert world.real.list(HostKeys) == []
