"""The ruleset as data, and pynet's accepts beside Docker's rules."""

from ipaddress import ip_network
from typing import Any

import pytest

from netlink.errors import KernelError
from netlink.links import Link
from plugin.firewall.elements import network_elements
from plugin.firewall.firewall import Firewall
from plugin.firewall.foreign_chains import CHAINS, Named, accepts_to_add, accepts_to_delete
from plugin.host.docker_bridges import docker_bridges, other_bridges
from plugin.model.records import Network, NetworkSubnet
from tests.elements import texts, written
from tests.fakes import World
from tests.unit import requests as rq

JUMP = {"rule": {"handle": 7, "expr": [{"counter": None}, {"jump": {"target": "DOCKER-USER"}}]}}


def accept(direction: str, handle: int) -> dict[str, Any]:
    """Return nft's JSON of one of pynet's accepts."""
    match = {"match": {"op": "==", "left": {"meta": {"key": direction}}, "right": "pn-*"}}
    return {"rule": {"handle": handle, "comment": "pynet", "expr": [match, {"counter": None}, {"accept": None}]}}


def test_a_network_is_elements_not_rules() -> None:
    """A dual-stack network may leave by both families and talk inside itself."""
    subnets = (NetworkSubnet(ip_network("10.9.0.0/24")), NetworkSubnet(ip_network("fd00::/64")))
    elements = texts(network_elements(Network("a", "bridge", "pn-a", subnets=subnets)))

    assert elements["masqueraded"] == ['"pn-a" . ipv4', '"pn-a" . ipv6']
    assert elements["same_network"] == ['"pn-a" . "pn-a"']
    assert "internal_bridges" not in elements


def test_an_internal_network_never_leaves() -> None:
    """An internal network is in the set that is dropped both ways, and is not masqueraded."""
    subnets = (NetworkSubnet(ip_network("10.9.0.0/24")),)
    elements = texts(network_elements(Network("a", "bridge", "pn-a", internal=True, subnets=subnets)))

    assert (elements["internal_bridges"], elements.get("masqueraded")) == (['"pn-a"'], None)


def test_the_table_lives_as_long_as_a_network(world: World) -> None:
    """A host without pynet networks has no table of pynet's."""
    world.driver.create_network(rq.network())
    assert world.nft.table
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert not world.nft.table


def test_the_tables_of_an_idle_pynet_go_with_it(world: World) -> None:
    """Tables without networks are removed after a while, or when pynet ends; with networks they stay."""
    firewall = Firewall(world.nft, "pynet", linger=60)
    firewall.put("pn-a", written({"bridges": ['"pn-a"']}))
    firewall.close()
    assert world.nft.table
    firewall.forget("pn-a")
    assert world.nft.table
    firewall.close()

    assert not world.nft.table


def test_a_flushed_table_is_written_whole(world: World) -> None:
    """After "nft flush ruleset" the next change brings every network back."""
    world.driver.create_network(rq.network())
    wanted = world.nft.elements | {("bridges", '"pn-b2b2b2b2b2b2"')}
    world.nft.table, world.nft.elements = False, set()
    world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))

    assert wanted <= world.nft.elements


def test_docker_bridges_are_known_by_name_or_port() -> None:
    """Docker's are docker0, docker_gwbridge, br- and 12 hex digits, and any with a port named as Docker names them.

    A bridge with an alias of pynet is nobody else's, whatever name the user chose.
    """
    links = [
        Link(1, "docker0", "bridge"),
        Link(2, "br-0123456789ab", "bridge"),
        Link(3, "br-lan", "bridge"),
        Link(4, "custom", "bridge"),
        Link(5, "veth0a1b2c3", "veth", master=4),
        Link(6, "pn-0123456789ab", "bridge"),
        Link(7, "br*", "bridge"),
        Link(8, "br-user", "bridge", alias="pynet/network/a1"),
    ]

    assert docker_bridges(links) == {"docker0", "br-0123456789ab", "custom"}
    assert other_bridges(links) == ["br-lan"]


def test_accepts_stand_behind_the_users_rules() -> None:
    """DOCKER-USER decides first, as it does for Docker's own bridges."""
    text = accepts_to_add(CHAINS[0], [JUMP], "pynet")

    assert text.splitlines() == [
        'add rule ip filter FORWARD position 7 iifname "pn-*" counter accept comment "pynet"',
        'add rule ip filter FORWARD position 7 oifname "pn-*" counter accept comment "pynet"',
    ]


@pytest.mark.parametrize(
    ("present", "missing"), [((), 2), (("iifname",), 1), (("oifname",), 1), (("iifname", "oifname"), 0)]
)
def test_only_missing_accepts_are_added(present: tuple[str, ...], missing: int) -> None:
    """Looking again adds nothing twice."""
    chain = [JUMP, *(accept(direction, 8) for direction in present)]

    assert accepts_to_add(CHAINS[0], chain, "pynet").count("\n") == missing


def test_only_pynets_accepts_are_deleted() -> None:
    """Rules of others stay, also those that look alike."""
    other = {"rule": {"handle": 9, "expr": [{"accept": None}]}}

    listed = [JUMP, accept("iifname", 8), other]
    assert accepts_to_delete(CHAINS[1], listed, "pynet") == "delete rule ip6 filter FORWARD handle 8\n"


def test_another_pynets_accepts_are_its_own() -> None:
    """Two may run side by side: neither counts on the other's, nor takes them away."""
    theirs = [accept(side, 8) for side in ("iifname", "oifname")]

    assert accepts_to_add(CHAINS[0], [JUMP, *theirs], "second").count('comment "second"') == 2
    assert accepts_to_delete(CHAINS[0], [JUMP, *theirs], "second") == ""


def test_a_refused_network_is_forgotten(world: World) -> None:
    """A network that nft refuses is not written later either."""
    world.steps.fail_at = 1
    with pytest.raises(KernelError):
        world.firewall.put("pn-a", network_elements(Network("a", "bridge", "pn-a")))
    world.steps.fail_at = 0
    world.firewall.put("pn-b", network_elements(Network("b", "bridge", "pn-b")))

    assert ("bridges", '"pn-a"') not in world.nft.elements


def test_a_bridge_of_the_users_has_accepts_while_its_network_lives() -> None:
    """A user's bridge gets accepts by name while its network exists; only stale ones are deleted."""
    added = accepts_to_add(CHAINS[0], [JUMP, accept("iifname", 8), accept("oifname", 9)], "pynet", Named(["br-mine"]))
    assert [line.split('"')[1] for line in added.splitlines()] == ["br-mine", "br-mine"]
    stale = accept("iifname", 10)
    stale["rule"]["expr"][0]["match"]["right"] = "br-mine"

    listed = [JUMP, accept("iifname", 8), stale]
    assert accepts_to_delete(CHAINS[0], listed, "pynet", Named()) == "delete rule ip filter FORWARD handle 10\n"


def test_questions_are_accepted_while_somebody_asks() -> None:
    """The INPUT chain of iptables gets accepts for the resolver alone, by the IP versions of networks with names."""
    chain = next(one for one in CHAINS if str(one) == "ip filter INPUT")
    added = accepts_to_add(chain, [], "pynet", Named(asked={4}))
    assert added.splitlines()[0] == (
        'insert rule ip filter INPUT ip daddr 169.254.53.53 udp dport 5359 counter accept comment "pynet"'
    )
    assert added.count("\n") == 2
    assert accepts_to_add(chain, [], "pynet", Named(["br-mine"], asked={6})) == ""
