"""Opening the guard: legal texts, and the senders that they allow an endpoint."""

from dataclasses import replace
from ipaddress import IPv4Interface, ip_network

import pytest

from plugin.errors import InvalidRequest
from plugin.firewall.elements import endpoint_elements
from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings
from plugin.options.senders import NOBODY, senders
from tests.elements import texts

NETWORK = Network("n", "bridge", "pn-n", options={"pynet.guard_allow": "10.0.0.0/8"})
END = Endpoint("e", "n", "02:42:0a:09:00:02", IPv4Interface("10.9.0.2/24"))
PORT = '"pnhe"'


def test_senders_are_addresses_subnets_and_macs() -> None:
    """Senders may be in any order, with spaces; those that another one covers are dropped."""
    read = senders("02:AA:00:00:00:01, 10.1.0.0/16,10.0.0.0/8,fd00::7,10.2.3.4")

    assert read.macs == ("02:aa:00:00:00:01",)
    assert read.subnets == (ip_network("10.0.0.0/8"), ip_network("fd00::7/128"))
    assert senders(str(read)) == read
    assert senders("") == NOBODY


BAD = (
    "10.0.0.1/8 fe80::1%eth0 fe80::%x/64 224.0.0.1 127.0.0.0/8 ::1 ff02::/16 x 10.0.0.0/33 10.0.0.0/8;drop * "
    "01:00:00:00:00:01 00:00:00:00:00:00 02:00:00:00:00 02:00:00:00:00:0g"
)


@pytest.mark.parametrize("text", BAD.split())
def test_what_no_container_sends_from_is_refused(text: str) -> None:
    """Groups, loopback, zones and bits behind the prefix are refused as senders."""
    with pytest.raises(InvalidRequest, match=r"option 'pynet.guard_allow' must be addresses, subnets or MACs"):
        EndpointSettings.read({"pynet.guard_allow": text})


@pytest.mark.parametrize(
    ("of_network", "own", "on"),
    [("on", None, True), ("off", None, False), ("on", "off", False), ("off", "on", True), ("on", "on", True)],
)
def test_the_word_of_an_endpoint_goes_before_its_network(of_network: str, own: str | None, on: bool) -> None:
    """An endpoint that says nothing follows its network."""
    network = replace(NETWORK, options={"pynet.guard": of_network})
    endpoint = replace(END, driver_opts={} if own is None else {"pynet.guard": own})

    assert endpoint.guard(network).on is on
    assert ("guarded_ports" in texts(endpoint_elements(network, endpoint))) is on


def test_what_network_and_endpoint_allow_is_allowed() -> None:
    """An endpoint may use senders of its network and its own, but not a neighbour's MAC."""
    endpoint = replace(END, driver_opts={"pynet.guard_allow": "02:00:00:00:00:05,192.0.2.9"})
    found = texts(endpoint_elements(NETWORK, endpoint))

    macs = (END.mac, "02:00:00:00:00:05")
    assert list(found["port_macs"]) == [f"{PORT} . {mac}" for mac in macs]
    assert set(found["allowed_addresses4"]) == {
        f"{PORT} . {mac} . {to}" for mac in macs for to in ("10.0.0.0/8", "192.0.2.9")
    }
