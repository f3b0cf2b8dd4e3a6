"""A start goes on although another program wrote elements into pynet's sets."""

from dataclasses import replace
from ipaddress import IPv4Interface
from typing import Any

import pytest

from netlink.links import Link
from plugin.model.names import Alias, LeaseWord, lan_alias
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import in_its_mode
from plugin.options.network import NetworkSettings
from plugin.rebuild.networks import NOT_SHOWN, SHOWN, look, rebuild
from tests.elements import SET
from tests.fake_sockets import Steps
from tests.fakes import FakeKernel, FakeNft


class Listed(FakeNft):
    """Lists what it is told to."""

    def __init__(self, **elements: list[Any]) -> None:
        super().__init__(Steps())
        self._objects: list[Any] = [
            {"set": {"family": SET[n].family, "name": n, "elem": some}} for n, some in elements.items()
        ]

    def list(self, what: str) -> list[dict[str, Any]]:
        return [item for item in self._objects if item["set"]["family"] in what]


def test_an_element_that_nobody_understands_is_left_out() -> None:
    """Elements added by hand are left out of a rebuild; the ports beside them come back."""
    address = {"concat": ["pnhe", "02:42:0a:09:00:02", "10.9.0.2"]}
    good, strange, odd = (
        [{"concat": [proto, port]}, {"concat": ["10.9.0.2", target]}]
        for proto, port, target in ((6, 8080, 80), ("hopopt", 8080, 80), (1, 0, 0))
    )
    nft = Listed(port_addresses4=[address], published_ports_any4=[strange, odd, good])
    seen = look(FakeKernel(Steps()), nft, "pynet")
    bridge = Link(1, "pn-a", "bridge", alias="pynet/network/a1")
    links = [bridge, Link(2, "pnhe", "veth", master=1, alias="pynet/endpoint/e0")]
    found = rebuild(replace(seen, links=links), "pynet", (), in_its_mode)
    (endpoint,) = [record for record in found if isinstance(record, Endpoint)]

    assert [(port.proto, port.host_port) for port in endpoint.published] == [(6, 8080)]


@pytest.mark.parametrize(
    ("word", "address", "options"),
    [
        ("d24", "10.9.0.2/24", {}),
        ("d16nweb.lan", "10.9.0.2/16", {"pynet.hostname": "web.lan"}),
        ("d24c0102na-x", "10.9.0.2/24", {"pynet.client_id": "01:02", "pynet.hostname": "a-x"}),
        ("d99", "10.9.0.2/32", {}),
        ("d24c010", "10.9.0.2/32", {}),
        ("d24n-x", "10.9.0.2/32", {}),
        ("d24nnot a name", "10.9.0.2/32", {}),
    ],
)
def test_a_lease_comes_back_from_an_alias(word: str, address: str, options: dict[str, str]) -> None:
    """Its subnet and the names of its client; words of others, who may write aliases too, say nothing."""
    nft = Listed(port_addresses4=[{"concat": ["pnhe", "02:42:0a:09:00:02", "10.9.0.2"]}])
    port = Link(2, "pnhe", "veth", master=1, alias=f"pynet/endpoint/e0/a1/lan/{word}")
    seen = replace(look(FakeKernel(Steps()), nft, "pynet"), links=[Link(1, "br0", "bridge"), port])
    found = rebuild(seen, "pynet", (), in_its_mode)
    (network,) = [record for record in found if isinstance(record, Network)]
    (endpoint,) = [record for record in found if isinstance(record, Endpoint)]

    assert (str(endpoint.ipv4), endpoint.driver_opts) == (address, options)
    assert ("pynet.dhcp" in network.options) is not address.endswith("/32")


def test_half_a_name_of_a_client_is_in_no_alias() -> None:
    """No server would know the client; words behind it have the room then."""
    network = Network("a" * 64, "lan", "br0", options={"pynet.mode": "lan", "pynet.dhcp": "on"})
    endpoint = Endpoint("e" * 64, network.id, "", ipv4=IPv4Interface("10.9.0.2/24"))
    short, long = (str(LeaseWord(24, host_name="w" * length)) for length in (60, 120))

    assert Alias.read(lan_alias("pynet", network, endpoint, [long, "v7"])).more[2:] == ("v7",)
    assert Alias.read(lan_alias("pynet", network, endpoint, [short, "v7"])).lease == LeaseWord(24, b"", "w" * 60)


def test_an_option_that_the_kernel_does_not_show_is_named() -> None:
    """The warning about a network that was rebuilt follows from the declarations: a new option is in it."""
    hidden = {option.key for option in NetworkSettings.options() if option.key in NOT_SHOWN}

    assert hidden | {option.key for option in SHOWN} == {option.key for option in NetworkSettings.options()}
    assert {"pynet.publish", "pynet.forwarding"} <= hidden
