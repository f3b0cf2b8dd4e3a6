"""A start goes on although another program wrote elements into pynet's sets."""

from dataclasses import replace
from typing import Any

from netlink.links import Link
from plugin.model.records import Endpoint
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


def test_an_option_that_the_kernel_does_not_show_is_named() -> None:
    """The warning about a network that was rebuilt follows from the declarations: a new option is in it."""
    hidden = {option.key for option in NetworkSettings.options() if option.key in NOT_SHOWN}

    assert hidden | {option.key for option in SHOWN} == {option.key for option in NetworkSettings.options()}
    assert {"pynet.publish", "pynet.forwarding"} <= hidden
