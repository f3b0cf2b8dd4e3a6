"""Names, aliases and prefixes of links are read as they were written, and the rules match no other links."""

import re
from dataclasses import replace

import pytest

from plugin.firewall.ruleset import tables_text
from plugin.model.names import (
    CARRIER,
    LIMITER,
    SHIM,
    Alias,
    bridge_alias,
    endpoint_alias,
    high_mac,
    port_alias,
    tunnel_alias,
)
from plugin.model.records import Endpoint, Network, Overlay
from plugin.modes.registry import MODES
from tests.unit import requests as rq

OVERLAY = Overlay("front", 4097, 4789, 1450)
NETWORK = Network(rq.NETWORK_ID, "overlay", "br-mine", owns_link=False, overlay=OVERLAY)
ENDPOINT = Endpoint(rq.ENDPOINT_ID, rq.NETWORK_ID, "02:42:0a:00:00:02")


def test_ports_are_above_those_of_virtual_machines() -> None:
    """The MAC of the user's bridge is the lowest of its ports: it stays where others begin with fe: (libvirt)."""
    macs = {high_mac(f"endpoint {number}".encode()) for number in range(1000)}
    assert len(macs) == 1000
    assert min(macs) > "fe:fe:ff:ff:ff:ff"


def test_an_alias_is_read_as_it_was_written() -> None:
    """Aliases are in the kernel when another version starts, so their text is fixed."""
    written = [
        bridge_alias("pynet", NETWORK),
        tunnel_alias("pynet", NETWORK, OVERLAY),
        port_alias("pynet", NETWORK, ENDPOINT),
        port_alias("pynet", replace(NETWORK, owns_link=True), ENDPOINT),
        endpoint_alias("pynet", ENDPOINT),
    ]
    net, end = f"pynet/network/{NETWORK.id}", f"pynet/endpoint/{ENDPOINT.id}"
    assert written == [net, f"{net}/front/4097/4789", f"{end}/{NETWORK.id}", end, f"{end}/{NETWORK.id}"]
    bridge, tunnel, adopted, port, _ = map(Alias.read, written)
    assert (bridge.id, bridge.overlay(1450), tunnel.overlay(1450)) == (NETWORK.id, None, OVERLAY)
    assert (port.id, port.network_id, adopted.network_id) == (ENDPOINT.id, "", NETWORK.id)


@pytest.mark.parametrize("text", ["", "pynet", "uplink to rack 7", "a/b"])
def test_an_alias_of_somebody_else_has_no_id(text: str) -> None:
    """An alias that a user wrote names no network and no endpoint."""
    assert Alias.read(text).id == ""


def test_the_rules_match_links_by_known_prefixes_only() -> None:
    """The prefixes in the rules are those of the names of links, but for limiters, shims, tunnels and links that move.

    Rules see the frames of a limiter as frames of the port that they came in by, and none of a link in a container. To
    them a shim is a link to the outside. A set has the links of WireGuard.
    """
    prefixes = {kind.prefix for mode in MODES for kind in mode.links if not kind.moves} - {LIMITER, SHIM, CARRIER}

    assert {text[1:-2] for text in re.findall(r'"pn[^"]*\*"', tables_text("pynet", []))} == prefixes
