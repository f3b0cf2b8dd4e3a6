"""Overlay mode on fake hosts that share a store in memory."""

from ipaddress import ip_address

import pytest

from netlink.links import Link
from netlink.vxlan import EVERYBODY, Forward, Neighbour, Remote
from plugin.cluster.overlay.records import ClusterNetwork, Member, Peer, VniClaim
from plugin.errors import InvalidRequest, PynetError, Unsupported
from plugin.firewall.sets import ALLOW_NAMES
from plugin.firewall.wants import names_owner
from plugin.model.records import Overlay
from plugin.policy.answers import ResolvedName, SeenAddress
from plugin.protocol.messages import CreateEndpoint, CreateNetwork, NetworkRef
from plugin.store.base import Put
from tests.fakes import World
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq

MAC = "02:42:0a:09:00:02"


@pytest.fixture
def world() -> OverlayWorld:
    """Return a host of a cluster."""
    return OverlayWorld()


@pytest.fixture
def other(world: OverlayWorld) -> OverlayWorld:
    """Return another host of the same cluster."""
    return OverlayWorld(2, world.real)


def test_a_network_is_a_bridge_with_a_tunnel(world: OverlayWorld) -> None:
    """A network is a bridge with a tunnel, both with the underlay's MTU less the overhead of VXLAN."""
    world.driver.create_network(overlay())

    link, bridge = world.kernel.by_name["pnva1a1a1a1a1a1"], world.kernel.by_name["pn-a1a1a1a1a1a1"]
    assert (link.mtu, bridge.mtu) == (1450, 1450)
    assert link.alias == f"pynet/network/{rq.NETWORK_ID}/blue/{world.real.list(ClusterNetwork)[0].record.vni}/4789"


def test_hosts_are_one_gateway(world: OverlayWorld, other: OverlayWorld) -> None:
    """The bridges of all hosts have one address and one MAC, so a container that moves finds the same gateway."""
    world.driver.create_network(overlay())
    other.driver.create_network(overlay(rq.OTHER_ID))

    assert world.kernel.by_name["pn-a1a1a1a1a1a1"].mac == other.kernel.by_name["pn-b2b2b2b2b2b2"].mac
    assert ("pn-b2b2b2b2b2b2", rq.ipam("10.9.0.1/24").gateway) in other.kernel.addresses()


def test_an_endpoint_is_in_the_tables_of_the_other_host(world: OverlayWorld, other: OverlayWorld) -> None:
    """The other host's tables lead from an endpoint's MAC to its host, and from its address to its MAC."""
    world.driver.create_network(overlay())
    other.driver.create_network(overlay(rq.OTHER_ID))
    world.driver.create_endpoint(rq.endpoint())
    world.hear()
    other.hear()

    host = world.presence.member(_blue(), "").address
    expected = {
        Remote(EVERYBODY, host),
        Remote(MAC, host),
        Forward(MAC),
        Neighbour(rq.ipam("10.9.0.2/24").pool[2], MAC),
    }
    assert other.tunnels.tables["pnvb2b2b2b2b2b2"] == expected
    assert world.tunnels.tables["pnva1a1a1a1a1a1"] == set()  # the other host has no endpoint yet


def test_a_deleted_endpoint_leaves_the_tables(world: OverlayWorld, other: OverlayWorld) -> None:
    """A deleted endpoint leaves the tables, and the network leaves the store with its last host."""
    world.driver.create_network(overlay())
    other.driver.create_network(overlay(rq.OTHER_ID))
    world.driver.create_endpoint(rq.endpoint())
    world.driver.delete_network(rq.NETWORK)
    other.hear()

    assert other.tunnels.tables["pnvb2b2b2b2b2b2"] == set()
    assert len(world.real.list(ClusterNetwork)) == 1
    other.driver.delete_network(NetworkRef(rq.OTHER_ID))
    assert [list(world.real.list(kind)) for kind in (ClusterNetwork, VniClaim, Member, Peer)] == [[], [], [], []]


def test_a_whole_life_leaves_nothing(world: OverlayWorld) -> None:
    """A whole life of a network leaves nothing on the host or in the shared store."""
    before = world.snapshot()
    world.driver.create_network(overlay())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.snapshot() == before


def test_a_tunnel_that_is_being_removed_is_not_made_again(world: OverlayWorld) -> None:
    """Tables that are written right after the removal of the tunnel, as another thread may, do not bring it back."""
    before = world.snapshot()
    world.driver.create_network(overlay())
    delete = world.kernel.delete_link

    def deleted(link: Link) -> None:
        delete(link)
        world.peers.sync(everything=True)

    world.kernel.delete_link = deleted  # type: ignore[method-assign]
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.snapshot() == before


def test_a_repeated_creation_changes_nothing(world: OverlayWorld) -> None:
    """A repeated creation changes nothing, although only the record has the values that hosts agreed on."""
    world.driver.create_network(overlay())
    before = world.snapshot()
    world.driver.create_network(overlay())

    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (overlay(network=""), "'pynet.network' must be 1 to 63 letters"),
        (overlay(network="a/b"), "not 'a/b'"),
        (overlay(vni="0"), "'pynet.vni' must be a number from 1 to 16777215, not '0'"),
        (overlay(vni="16777216"), "not '16777216'"),
        (overlay(vxlan_port="0"), "'pynet.vxlan_port' must be a number from 1 to 65535, not '0'"),
        (overlay(mtu="1451"), "network 'blue' has MTU 1451, and .* this host can carry 1450"),
        (overlay(rq.NETWORK_ID, "fd00:9::1/64", mtu="1279"), "has MTU 1279, and IPv6 needs 1280"),
        (overlay(mode="bridge"), "'pynet.network' is for mode overlay only: add -o pynet.mode=overlay"),
        (rq.network(options={"pynet.vni": "7"}), "'pynet.vni' is for mode overlay only"),
        (rq.network(options={"pynet.mode": "overlay"}), "mode overlay needs the name .*: -o pynet.network=NAME"),
    ],
)
def test_bad_networks_are_refused_untouched(world: OverlayWorld, request_: CreateNetwork, sentence: str) -> None:
    """Bad networks are refused with a sentence, and nothing is half made."""
    before = world.snapshot()

    with pytest.raises(InvalidRequest, match=sentence):
        world.driver.create_network(request_)

    assert world.snapshot() == before


def test_an_existing_bridge_is_not_taken(world: OverlayWorld) -> None:
    """An existing bridge is refused, as its MAC would have to be the gateway's on every host."""
    options = {"pynet.mode": "overlay", "pynet.network": "blue", "com.docker.network.bridge.name": "ul0"}

    with pytest.raises(InvalidRequest, match="'ul0' exists, and mode overlay makes its own bridge"):
        world.driver.create_network(rq.network(options=options))


def test_a_kernel_without_vxlan_is_refused(world: OverlayWorld) -> None:
    """The sentence says what is missing."""
    world.tunnels.supported = False
    before = world.snapshot()

    with pytest.raises(Unsupported, match="needs VXLAN, which this kernel does not have"):
        world.driver.create_network(overlay())

    world.bury()
    assert world.snapshot() == before


def test_two_networks_of_a_host_cannot_be_one(world: OverlayWorld) -> None:
    """The second is refused, and the first keeps its place in the cluster."""
    world.driver.create_network(overlay())
    before = world.snapshot()

    with pytest.raises(PynetError, match="network 'blue' is network 'a1a1a1a1a1a1' of this host already"):
        world.driver.create_network(overlay(rq.OTHER_ID, "10.8.0.1/24"))

    assert world.snapshot() == before


def test_internal_networks_may_have_one_subnet(world: OverlayWorld) -> None:
    """The host has no address in them, so it need not tell them apart."""
    world.driver.create_network(overlay(internal=True))
    world.driver.create_network(overlay(rq.OTHER_ID, network="green", internal=True))

    assert [link for link, _ in world.kernel.addresses()] == ["ul0"]


def test_networks_that_lead_out_may_not_have_one_subnet(world: OverlayWorld) -> None:
    """Two networks with one subnet are refused unless internal: answers from outside would be ambiguous."""
    world.driver.create_network(overlay())

    with pytest.raises(PynetError, match=r"10\.9\.0\.0/24 overlaps"):
        world.driver.create_network(overlay(rq.OTHER_ID, network="green"))


def test_without_the_store_nothing_is_created_and_everything_removed(world: OverlayWorld) -> None:
    """Without the store creations fail and removals succeed; the rest of a removal is done later."""
    before = world.snapshot()
    world.driver.create_network(overlay())
    world.driver.create_endpoint(rq.endpoint())
    world.shared.away = True
    with pytest.raises(PynetError, match="no server answered"):
        world.driver.create_endpoint(CreateEndpoint(rq.NETWORK_ID, "e1" * 32))
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.shared.away = False
    world.removals.flush()
    world.presence.mend()
    world.bury()

    left = [list(world.real.list(kind)) for kind in (Member, Peer)]
    assert left == [[], []]
    assert world.snapshot()[0] == before[0]  # type: ignore[index]


def _blue() -> Overlay:
    return Overlay("blue", 0, 0, 0)


def test_without_a_store_there_is_no_overlay(world: OverlayWorld) -> None:
    """One sentence that names the setting; networks that were made before can be removed."""
    world.driver.create_network(overlay())
    alone = World(world.kernel, world.nft, world.failing_store)

    with pytest.raises(Unsupported, match="needs a store that the hosts share, and PYNET_STORE names none"):
        alone.driver.create_network(overlay(rq.OTHER_ID, "10.8.0.1/24"))
    alone.driver.delete_network(rq.NETWORK)
    alone.bury()
    assert [link.name for link in world.kernel.links()] == ["ul0"]


def test_names_in_a_policy_have_rules_of_their_own(world: OverlayWorld) -> None:
    """In an overlay too, the elements for names are apart from those of the link, and go with the endpoint."""
    world.driver.create_network(overlay())
    policy = {"pynet.egress": "deny", "pynet.allow_out": "dns:github.com tcp/443"}
    world.store.transact(Put(ResolvedName("github.com", (SeenAddress(ip_address("192.0.2.7"), 0),))))
    world.driver.create_endpoint(rq.endpoint(driver_opts=policy))
    owner = names_owner(rq.ENDPOINT_ID)

    assert {element.of for element in world.firewall.owners(owner)[owner].elements} == {ALLOW_NAMES[4]}
    world.driver.delete_endpoint(rq.ENDPOINT)
    assert world.firewall.owners(owner) == {}
