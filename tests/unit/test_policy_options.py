"""The grammar of policy: legal texts, their values, and the sentences about others."""

from ipaddress import IPv4Interface, ip_network

import pytest

from plugin.errors import InvalidRequest
from plugin.model.policy import Policy, policy_of
from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.option import OptionSet
from plugin.options.policy import NOTHING, Entries, Entry, Group, HostName, Ports, destinations, group_names
from tests.fakes import World
from tests.unit import requests as rq

ENTRIES = {
    "any": Entry(),
    "icmp": Entry("icmp"),
    "tcp/443": Entry("tcp", Ports(443, 443)),
    "udp/8000-8100": Entry("udp", Ports(8000, 8100)),
    "udp/53-53": Entry("udp", Ports(53, 53)),
    "10.0.0.0/8": Entry(peer=ip_network("10.0.0.0/8")),
    "  app   tcp/5432 ": Entry("tcp", Ports(5432, 5432), Group("app")),
    "tcp/5432 app": Entry("tcp", Ports(5432, 5432), Group("app")),
    "tcp/443 @ 140.82.112.0/20": Entry("tcp", Ports(443, 443), ip_network("140.82.112.0/20")),
    "fd00::7@tcp": Entry("tcp", peer=ip_network("fd00::7/128")),
    "dns:GitHub.com. tcp/443": Entry("tcp", Ports(443, 443), HostName("github.com")),
    "any 2001:db8::/32": Entry(peer=ip_network("2001:db8::/32")),
}


@pytest.mark.parametrize(("text", "entry"), ENTRIES.items())
def test_an_entry_is_words_in_any_order(text: str, entry: Entry) -> None:
    """Protocol with ports and peer may come in any order, and what is printed reads as the same entry."""
    assert destinations(text) == Entries((entry,))
    assert destinations(str(entry)) == Entries((entry,))


def test_entries_are_separated_by_commas() -> None:
    """Entries keep their order and are there once; ``none`` has none; names and subnets can be asked for."""
    found = destinations("tcp/443 @ dns:a.org, 10.0.0.0/8, udp/53, dns:a.org, 10.0.0.0/8")

    assert str(found) == "tcp/443 @ dns:a.org, 10.0.0.0/8, udp/53, dns:a.org"
    assert destinations(str(found)) == found
    assert found.host_names == ["a.org"]
    assert found.subnets == [ip_network("10.0.0.0/8")]
    assert destinations("none") == NOTHING
    assert str(NOTHING) == "none"


def test_groups_are_names_once() -> None:
    """Names of groups keep their order; their numbers differ and are neither 0 nor the highest."""
    assert group_names("app, web,app") == ("app", "web")
    assert group_names("none") == ()
    numbers = {Group(f"g{number}").number for number in range(1000)}
    assert len(numbers) == 1000
    assert min(numbers) > 0
    assert max(numbers) < 0xFFFFFFFF


BAD = (
    (EndpointSettings, "pynet.group", "", "no name of a group"),
    (EndpointSettings, "pynet.group", "app;drop", "no name of a group"),
    (EndpointSettings, "pynet.group", "tcp", "no word of the grammar"),
    (EndpointSettings, "pynet.group", "a,b,c,d,e", "can be in 4 groups, not in 5"),
    (EndpointSettings, "pynet.from", "", "an entry is empty; 'any' allows everything and 'none' nothing"),
    (EndpointSettings, "pynet.from", "tcp/80,", "an entry is empty"),
    (EndpointSettings, "pynet.from", "tcp/0", "ports are from 1 to 65535"),
    (EndpointSettings, "pynet.from", "tcp/90-80", "the lower one first"),
    (EndpointSettings, "pynet.from", "tcp/65536", "ports are from 1 to 65535"),
    (EndpointSettings, "pynet.from", "tcp/http", "is no protocol"),
    (EndpointSettings, "pynet.from", "TCP/80", "is no protocol"),
    (EndpointSettings, "pynet.from", "icmp/8", "is no protocol"),
    (EndpointSettings, "pynet.from", "sctp/80", "is no protocol"),
    (EndpointSettings, "pynet.from", "tcp/80 udp/80", "more than one protocol; put a comma between entries"),
    (EndpointSettings, "pynet.from", "app web", "more than one peer"),
    (EndpointSettings, "pynet.from", "80", "is no address, subnet or group"),
    (EndpointSettings, "pynet.from", "10.0.0.1/8", "is no address, subnet or group"),
    (EndpointSettings, "pynet.from", "fe80::1%eth0", "is no address, subnet or group"),
    (EndpointSettings, "pynet.from", "dns:a.org", "a name is looked up in pynet.allow_out only"),
    (NetworkSettings, "pynet.allow_out", "github.com", "a name is written 'dns:github.com'"),
    (NetworkSettings, "pynet.allow_out", "dns:*.org", "nobody can look up all names"),
    (NetworkSettings, "pynet.allow_out", "dns:", "is no name of a host"),
    (NetworkSettings, "pynet.allow_out", "dns:-a.org", "is no name of a host"),
    (NetworkSettings, "pynet.egress", "closed", "must be allow or deny"),
    (NetworkSettings, "pynet.publish_from", "app", "clients of published ports are addresses and subnets"),
    (NetworkSettings, "pynet.publish_from", "dns:a.org", "clients of published ports are addresses and subnets"),
    (NetworkSettings, "pynet.group", "app", "is not known"),
)


@pytest.mark.parametrize(("kind", "key", "text", "why"), BAD)
def test_another_text_is_refused_with_the_reason(kind: type[OptionSet], key: str, text: str, why: str) -> None:
    """The sentence names the option and says what is wrong with its text."""
    with pytest.raises(InvalidRequest, match=rf"option '{key}' (must be|is not known)") as refusal:
        kind.read({key: text})

    assert why in str(refusal.value)


@pytest.mark.parametrize("option", [{"pynet.egress": "deny"}, {"pynet.publish_from": "10.0.0.0/8"}])
def test_a_policy_that_would_not_hold_is_refused(world: World, option: dict[str, str]) -> None:
    """Where the engine connects containers to its own bridge, pynet promises neither egress nor clients."""
    with pytest.raises(InvalidRequest, match=f"{next(iter(option))}' does not hold with 'pynet.publish=engine'"):
        world.driver.create_network(rq.network(options={"pynet.publish": "engine", **option}))
    world.driver.create_network(rq.network(options={"pynet.publish": "engine"}))
    before = world.snapshot()

    with pytest.raises(InvalidRequest, match="containers are then also on a bridge of the engine's own"):
        world.driver.create_endpoint(rq.endpoint(driver_opts=option))
    assert world.snapshot() == before


def test_an_endpoint_follows_its_network_option_by_option() -> None:
    """An option of the endpoint replaces its network's; entries for egress count only where egress is denied."""
    network = Network("n", "bridge", "pn-n", options={"pynet.from": "app", "pynet.allow_out": "udp/53"})
    end = Endpoint("e", "n", "02:42:0a:09:00:02", IPv4Interface("10.9.0.2/24"), driver_opts={"pynet.group": "db"})
    denied = Endpoint("f", "n", end.mac, end.ipv4, driver_opts={"pynet.egress": "deny", "pynet.from": "none"})
    anyone = Endpoint("g", "n", end.mac, end.ipv4, driver_opts={"pynet.from": "any"})

    assert policy_of(network, end) == Policy(("db",), destinations("app"))
    assert policy_of(network, denied) == Policy((), NOTHING, destinations("udp/53"))
    assert policy_of(network, anyone).allow_from == destinations("any")
