"""Which chains of other firewalls drop what networks need, in rulesets as nft lists them."""

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from plugin.doctor.facts import Crossing, Wall
from plugin.doctor.walls import walls
from plugin.model.records import Endpoint, Network, NetworkSubnet, Overlay, Published

UPLINKS = {4: "eth0", 6: "eth0"}
V4 = NetworkSubnet(ip_network("10.9.0.0/24"), ip_interface("10.9.0.1/24"))
V6 = NetworkSubnet(ip_network("fd00:9::/64"), ip_interface("fd00:9::1/64"))
NET = Network("a" * 64, "bridge", "pn-a", subnets=(V4,))
BOTH = Network("b" * 64, "bridge", "pn-b", subnets=(V4, V6))
WEB = Endpoint("e" * 64, NET.id, "02:00:00:00:00:01", ip_interface("10.9.0.5/24"))  # type: ignore[arg-type]
ACCEPT, DROP = {"accept": None}, {"drop": None}
OLD = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
XT_OLD = {"xt": {"type": "match", "name": "conntrack"}}
OURS = {"iifname": "pn-*"}
Rules = list[list[dict[str, Any]]]


def base(hook: str, policy: str, rules: Rules, place: str = "inet mine c") -> list[dict[str, Any]]:
    family, table, name = place.split()
    chain = {"family": family, "table": table, "name": name, "hook": hook, "policy": policy}
    return [{"chain": chain}, *listed(place, rules)]


def listed(place: str, rules: Rules) -> list[dict[str, Any]]:
    family, table, name = place.split()
    chain = {"chain": {"family": family, "table": table, "name": name}}
    return [chain, *({"rule": {"family": family, "table": table, "chain": name, "expr": rule}} for rule in rules)]


def meta(key: str, value: str, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": value}}


def field(layer: str, name: str, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": {"payload": {"protocol": layer, "field": name}}, "right": right}}


SUBNET = {"prefix": {"addr": "10.9.0.0", "len": 16}}
STATES = {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", ACCEPT], ["invalid", DROP]]}}
OUT: list[tuple[str, str, Rules, bool]] = [
    ("policy", "drop", [], True),
    ("last rule", "accept", [[OLD, ACCEPT], [{"counter": {}}, DROP]], True),
    ("reject", "accept", [[{"reject": {"type": "icmpx"}}]], True),
    ("reject of iptables", "accept", [[XT_OLD, ACCEPT], [{"xt": {"type": "target", "name": "REJECT"}}]], True),
    ("states in a map", "drop", [[{"vmap": STATES}]], True),
    ("only another port is let out", "drop", [[field("tcp", "dport", 25), ACCEPT]], True),
    ("only what comes from other links", "drop", [[meta("iifname", "eth0"), ACCEPT]], True),
    ("what is not from the host's network", "accept", [[field("ip", "saddr", SUBNET), DROP]], True),
    ("our links are let pass", "drop", [[meta("iifname", "pn-*"), ACCEPT]], False),
    ("our subnet is let pass", "drop", [[field("ip", "saddr", SUBNET), ACCEPT]], False),
    ("what was limited", "accept", [[{"limit": {"rate": 1}}, DROP]], False),
    ("one protocol", "accept", [[field("udp", "dport", 53), DROP]], False),
    ("other addresses", "accept", [[field("ip", "daddr", "192.0.2.1"), DROP]], False),
    ("nobody knows", "drop", [[{"match": {"op": "==", "left": {"fib": {}}, "right": "local"}}, ACCEPT]], False),
    ("nobody knows the match", "accept", [[{"xt": {"type": "match", "name": "set"}}, DROP]], False),
    ("web is let out", "drop", [[field("tcp", "dport", {"set": [80, {"range": [440, 450]}]}), ACCEPT]], False),
]


@pytest.mark.parametrize(("policy", "rules", "drops"), [row[1:] for row in OUT], ids=[row[0] for row in OUT])
def test_what_a_forward_chain_does_with_what_containers_send(policy: str, rules: Rules, drops: bool) -> None:
    """A forward chain counts as a wall only if it certainly drops packets of containers."""
    found = walls(base("forward", policy, rules), [NET], [], UPLINKS)
    assert found == ((Wall("inet mine c", Crossing.OUT),) if drops else ())


def test_a_chain_that_is_jumped_to() -> None:
    """A drop in DOCKER-USER is named, as it comes before pynet's accept; drops of docker behind it are not."""
    jump: Rules = [[{"jump": {"target": "DOCKER-USER"}}], [meta("iifname", "pn-*"), ACCEPT]]
    chains = base("forward", "drop", jump, "ip filter FORWARD")
    user: Rules = [[XT_OLD, ACCEPT], [DROP]]
    assert walls(chains + listed("ip filter DOCKER-USER", user), [NET], [], UPLINKS) == (
        Wall("ip filter DOCKER-USER", Crossing.OUT),
    )
    assert walls(chains + listed("ip filter DOCKER-USER", [[{"return": None}]]), [NET], [], UPLINKS) == ()


def test_a_published_port() -> None:
    """A published port enters by the uplink, translated; a relayed port is a connection to the host."""
    ends = [
        Endpoint(**{**{f: getattr(WEB, f) for f in ("id", "network_id", "mac", "ipv4")}, "published": ports})
        for ports in [(Published(6, 80, ip_address("10.9.0.5"), ip_address(host), 8080),) for host in ("0.0.0.0", "::")]
    ]
    shut = [[meta("iifname", "eth0"), DROP]]
    assert walls(base("forward", "accept", shut), [NET], ends, UPLINKS) == (Wall("inet mine c", Crossing.IN),)
    ssh = [[field("tcp", "dport", 22), ACCEPT], [meta("iifname", "pn-a"), ACCEPT]]
    assert walls(base("input", "drop", ssh), [NET], ends, UPLINKS) == (Wall("inet mine c", Crossing.RELAY),)


def test_a_closed_host() -> None:
    """A closed host must accept neighbour discovery and the tunnel's port; other drops are the host's choice."""
    tunnel = Network("c" * 64, "overlay", "pn-c", overlay=Overlay("blue", 7, 4789, 1450))
    usual = [[field("icmpv6", "type", "nd-neighbor-solicit"), ACCEPT], [field("udp", "dport", 4789), ACCEPT]]
    closed = {wall.crossing for wall in walls(base("input", "drop", []), [BOTH, tunnel], [], UPLINKS)}
    assert closed == {Crossing.NEIGHBOURS, Crossing.TUNNEL}
    assert walls(base("input", "drop", usual), [BOTH, tunnel], [], UPLINKS) == ()


def test_questions_to_the_resolver() -> None:
    """A chain that drops them counts for a network with names; iptables' own does not: pynet puts accepts there."""
    asking = Network(NET.id, "bridge", "pn-a", subnets=(V4,), options={"pynet.dns": "on"})
    assert walls(base("input", "drop", []), [asking], [], UPLINKS) == (Wall("inet mine c", Crossing.QUESTIONS),)
    for place in ("ip filter INPUT", "inet firewalld filter_INPUT"):
        assert walls(base("input", "drop", [], place), [asking], [], UPLINKS) == ()
    fits: Rules = [[field("ip", "daddr", "169.254.53.53"), field("udp", "dport", 5359), ACCEPT]]
    assert walls(base("input", "drop", fits), [asking], [], UPLINKS) == ()
    assert walls(base("input", "drop", []), [NET], [], UPLINKS) == ()
    closed = walls(base("input", "drop", [], "ip6 filter INPUT"), [BOTH], [], UPLINKS)
    assert closed == (Wall("ip6 filter INPUT", Crossing.NEIGHBOURS),)


def test_a_network_between_hosts_without_a_tunnel_needs_forwarding_both_ways() -> None:
    """Also an internal one; then VXLAN is none of its needs."""
    overlay = Overlay("blue", 7, 4789, 1500, tunnel="direct")
    direct = Network("c" * 64, "overlay", "pn-c", internal=True, subnets=(V4,), overlay=overlay)
    udp, ours = [field("udp", "dport", 53), ACCEPT], [[meta(side, "pn-*"), ACCEPT] for side in ("iifname", "oifname")]
    assert walls(base("forward", "drop", [udp]), [direct], [], UPLINKS) == (Wall("inet mine c", Crossing.DIRECT),)
    assert walls(base("forward", "drop", ours), [direct], [], UPLINKS) == ()
    assert walls(base("input", "drop", []), [direct], [], UPLINKS) == ()


def test_others_that_are_not_in_the_way() -> None:
    """An internal network has no walls, and tables of the engine and of pynet are passed over."""
    inner = Network("d" * 64, "bridge", "pn-d", internal=True, subnets=(V4,))
    assert walls(base("forward", "drop", []), [inner], [], UPLINKS) == ()
    for place in ("ip docker-bridges filter-FORWARD", "inet pynet forward", "ip filter FORWARD"):
        assert walls(base("forward", "drop", [], place), [NET], [], UPLINKS) == ()
    assert walls(base("forward", "drop", []), [], [], {}) == (Wall("inet mine c", Crossing.OUT),)
