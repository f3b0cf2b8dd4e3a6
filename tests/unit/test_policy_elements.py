"""Policies as elements of nftables sets."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_address
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netlink.nft_elements import Element
from plugin.firewall import sets
from plugin.firewall.elements import endpoint_elements, port_elements
from plugin.firewall.policy_elements import FEW, name_elements, policy_elements
from plugin.model.policy import Policy
from plugin.model.records import Endpoint, Network, Published
from plugin.options.policy import Entries, Entry, Group, Ports, destinations

NETWORK = Network("n", "bridge", "pn-n")
OWN, OWN6 = ip_address("10.9.0.2"), ip_address("fd00:9::2")
END = Endpoint("e", "n", "02:42:0a:09:00:02", IPv4Interface("10.9.0.2/24"), IPv6Interface("fd00:9::2/64"))
PORT = "pnhe"
SUBNETS = st.builds(
    lambda host, length: IPv4Network((host, length), strict=False), st.integers(0, 255), st.integers(24, 32)
)
SPANS = st.tuples(st.integers(1, 20), st.integers(1, 20)).map(lambda ends: Ports(min(ends), max(ends)))
ENTRY = st.one_of(
    st.builds(Entry, st.sampled_from(["tcp", "udp"]), st.none() | SPANS, st.none() | SUBNETS),
    st.builds(Entry, st.sampled_from(["any", "icmp"]), st.none(), st.none() | SUBNETS),
)
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "any": 47}  # 47 is none of the others


def found_in(elements: list[Element], of: object) -> list[tuple[object, ...]]:
    """Return the values of elements of one set."""
    return [element.values for element in elements if element.of is of]


def as_ends(value: Any) -> tuple[int, int]:
    """Return the first and the last of a part of an interval."""
    match value:
        case IPv4Network():
            return int(value[0]), int(value[-1])
        case (first, last):
            return int(first), int(last)
    return int(value), int(value)


@settings(max_examples=200, deadline=None)
@given(entries=st.lists(ENTRY, min_size=1, max_size=7), data=st.data())
def test_elements_allow_what_entries_allow_and_never_overlap(entries: list[Entry], data: st.DataObject) -> None:
    """Any packet is in an element if an entry allows it; no two elements overlap, as the kernel refuses that."""
    policy = Policy(allow_out=Entries(tuple(entries)))
    found = found_in(list(policy_elements(NETWORK, END, policy, [OWN])), sets.PORT_OUT[4][0])
    boxes = [[as_ends(part) for part in values[1:]] for values in found]
    name = data.draw(st.sampled_from(list(NUMBERS)))
    target, port = IPv4Address(data.draw(st.integers(0, 255))), data.draw(st.integers(1, 21))
    packet = (int(target), NUMBERS[name], port)

    allowed = any(e.matches(name, port) and (e.peer is None or target in e.peer) for e in entries)  # type: ignore[operator]
    assert any(all(a <= x <= b for (a, b), x in zip(box, packet, strict=True)) for box in boxes) is allowed
    for one, other in combinations(boxes, 2):
        assert any(b < c or d < a for (a, b), (c, d) in zip(one, other, strict=True))


def test_groups_are_numbers_of_ports() -> None:
    """A port has a number in a map for each of its groups; entries of one group are joined."""
    policy = Policy(("app", "web"), allow_from=destinations("app tcp/80, app tcp/81, app icmp, web"))
    found = list(policy_elements(NETWORK, END, policy, [OWN]))
    app, web = Group("app").number, Group("web").number

    assert found_in(found, sets.GROUPS[0]) == [(PORT, app)]
    assert found_in(found, sets.GROUPS[1]) == [(PORT, web)]
    services = [(PORT, app, number, (0, 65535)) for number in (1, 58)]
    assert found_in(found, sets.FROM_GROUPS) == [
        services[0],
        (PORT, app, 6, (80, 81)),
        services[1],
        (PORT, web, (0, 255), (0, 65535)),
    ]


def test_without_a_policy_there_is_no_element() -> None:
    """An endpoint without options of policy has elements in none of their sets."""
    names = ("egress", "allow_", "from", "port_out", "port_from", "publish_", "out_", "group")
    of_policies = {of for of in sets.SETS if of.name.startswith(names)}
    of_policies -= {*sets.ALLOWED.values(), sets.ALLOWED_TARGETS}
    found = {element.of for element in endpoint_elements(NETWORK, END)}

    assert len(of_policies) > 20
    assert not found & of_policies


def test_whoever_may_not_go_out_sends_as_itself_alone() -> None:
    """With egress denied the guard is on, without further senders, and own addresses are in a set of their own."""
    options = {"pynet.egress": "deny", "pynet.guard": "off", "pynet.guard_allow": "0.0.0.0/0"}
    end = Endpoint(END.id, END.network_id, END.mac, END.ipv4, driver_opts=options)
    found = list(endpoint_elements(NETWORK, end))

    assert found_in(found, sets.GUARDED) == [(PORT,)]
    assert found_in(found, sets.EGRESS_ADDRESSES[4]) == [(PORT, END.mac, OWN)]
    assert {element.of for element in found}.isdisjoint({sets.PORT_ADDRESSES[4], sets.ALLOWED[4], sets.ROUTERS[4]})


def test_a_link_local_address_reaches_only_its_own_kind() -> None:
    """Rules of routed packets have the link-local address of a container for peers of that kind alone."""
    local = IPv6Address("fe80::2")
    policy = Policy(allow_out=destinations("tcp/80 @ fd00::/8, udp/53"))
    found = list(policy_elements(NETWORK, END, policy, [local, OWN6]))

    assert {values[0] for values in found_in(found, sets.ALLOW_OUT[6][0]) if values[2] == 6} == {OWN6}
    assert {values[0] for values in found_in(found, sets.ALLOW_OUT[6][0]) if values[2] == 17} == {local, OWN6}
    assert found_in(found, sets.EGRESS[6]) == [("pn-n", local), ("pn-n", OWN6)]


def test_relayed_ports_have_their_clients() -> None:
    """A port that pynet relays knows its clients by the port of the host; others are translated, and need nothing."""
    options = {"pynet.publish_from": "tcp/80 @ 2001:db8::/32, tcp/81 @ 2001:db8:1::/48, 10.0.0.0/8"}
    end = Endpoint(END.id, END.network_id, END.mac, END.ipv4, driver_opts=options)
    everywhere = [Published(6, 80, OWN, IPv4Address(0), 8080), Published(6, 80, OWN, IPv6Address(0), 8080)]
    found = list(port_elements(NETWORK, end, everywhere))

    assert [(str(v[0]), *v[1:]) for v in found_in(found, sets.RULED_RELAYS)] == [("::/0", 6, 8080)]
    assert [tuple(map(str, v)) for v in found_in(found, sets.ALLOW_RELAYS)] == [("::/0", "2001:db8::/32", "6", "8080")]
    assert found_in(list(port_elements(NETWORK, END, everywhere)), sets.RULED_RELAYS) == []


def test_names_are_addresses_and_questions_to_resolvers() -> None:
    """Known addresses of a name are allowed with its ports, and DNS to the resolvers; without names nothing is."""
    known = {"a.org": [ip_address("192.0.2.7"), ip_address("2001:db8::7")]}
    found = list(name_elements(END, destinations("tcp/443 dns:a.org, dns:b.org"), known, [ip_address("192.0.2.53")]))

    assert found_in(found, sets.ALLOW_NAMES[4]) == [
        (OWN, known["a.org"][0], 6, 443),
        (OWN, ip_address("192.0.2.53"), 6, 53),
        (OWN, ip_address("192.0.2.53"), 17, 53),
    ]
    assert found_in(found, sets.ALLOW_NAMES[6]) == [(OWN6, known["a.org"][1], 6, 443)]
    assert name_elements(END, destinations("any"), known, [ip_address("192.0.2.53")]) == ()


def test_a_long_list_is_the_other_way_round() -> None:
    """More than FEW elements of a container begin with the peer, so that the kernel finds one of them fast."""
    allowed = destinations(", ".join(f"10.{number}.0.0/24" for number in range(FEW + 1)))
    found = list(policy_elements(NETWORK, END, Policy(allow_out=allowed), [OWN]))

    assert found_in(found, sets.PORT_OUT[4][0]) == []
    assert [values[1] for values in found_in(found, sets.PORT_OUT[4][1])] == [PORT] * (FEW + 1)
    assert [values[1] for values in found_in(found, sets.ALLOW_OUT[4][1])] == [OWN] * (FEW + 1)
