"""Whatever an option may hold can be written to nftables, as text and as packed elements."""

import string
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netlink.nftables import Nftables, open_runner
from plugin.errors import InvalidRequest
from plugin.firewall.elements import endpoint_elements, network_elements, port_elements
from plugin.firewall.ruleset import remove_text, tables_text
from plugin.model.records import Endpoint, Network, NetworkSubnet, Published
from plugin.options.network import NetworkSettings
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
TABLE = "values"
SUBNETS = tuple(NetworkSubnet(data.pool, data.gateway) for data in map(rq.ipam, ("10.9.0.1/24", "fd00:9::1/64")))
NAMES = st.text(string.ascii_letters + string.digits + string.punctuation, max_size=16) | st.text(max_size=16)
ZONES = st.sampled_from(["", "", "%eth0", "%x }", "%\n", "%;flush ruleset", ":", "/24"])
ADDRESSES = st.builds("{}{}".format, st.ip_addresses(), ZONES) | NAMES
SERVICES = st.sampled_from(["", "any", "tcp", "icmp", "udp/53", "tcp/1-65535", "tcp/80-90", "tcp/85-100", "tcp/0"])
PEERS = (
    st.sampled_from(["", "app", "10.0.0.0/8", "10.9.0.0/16", "10.9.0.7", "fd00::/8", "::/0", "fe80::/10"]) | ADDRESSES
)
ENTRIES = st.lists(st.builds("{} {}".format, SERVICES, PEERS), min_size=1, max_size=6).map(",".join)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        NetworkSettings.bridge_name.key: NAMES,
        NetworkSettings.trusted.key: st.lists(NAMES, max_size=3).map(":".join),
        NetworkSettings.host_ipv4.key: ADDRESSES,
        NetworkSettings.host_ipv6.key: ADDRESSES,
        NetworkSettings.host_binding.key: ADDRESSES,
        NetworkSettings.guard_allow.key: st.lists(ADDRESSES, max_size=3).map(",".join),
        NetworkSettings.egress.key: st.just("deny"),
        NetworkSettings.allow_out.key: ENTRIES,
        NetworkSettings.allow_from.key: ENTRIES,
        NetworkSettings.publish_from.key: ENTRIES,
    },
)


@pytest.fixture
def nft() -> Iterator[Nftables]:
    """Return nftables in the namespace of the test, with pynet's tables."""
    nft = Nftables(open_runner())
    yield nft
    nft.apply(remove_text(TABLE))
    nft.close()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(raw=VALUES)
@example(raw={NetworkSettings.host_ipv6.key: "fe80::1%eth0"})
@example(raw={NetworkSettings.host_binding.key: "::1%x }\nadd table ip other"})
@example(raw={NetworkSettings.bridge_name.key: "a;b{}#$,'", NetworkSettings.trusted.key: "-x:{a}:é,;"})
def test_what_is_accepted_can_be_written(nft: Nftables, raw: dict[str, str]) -> None:
    """A value is refused with a sentence, or nft takes the table that is made of it, and the elements one by one."""
    try:
        options = NetworkSettings.read(raw)
    except InvalidRequest:
        return
    network = Network("n", "bridge", options.bridge_name or "pn-1", subnets=SUBNETS, options=raw)
    host, target = options.host_binding, SUBNETS[0].pool[2]
    ports = [Published(6, 80, target, host, 8080)] if host else []
    endpoint = Endpoint("e", "n", "02:00:00:00:00:02", IPv4Interface("10.9.0.2/24"), IPv6Interface("fd00:9::2/64"))
    contents = [
        network_elements(network),
        port_elements(network, endpoint, ports),
        endpoint_elements(network, endpoint),
    ]
    nft.apply(tables_text(TABLE, contents))
    nft.change(TABLE, [], [element for elements in contents for element in elements])
