"""What stands in pynet's sets and is not pynet's keeps no start from happening."""

from netlink.links import Link
from plugin.model.records import Endpoint
from plugin.modes.registry import in_its_mode
from plugin.options.network import NetworkSettings
from plugin.rebuild.networks import NOT_SHOWN, SHOWN, Elements, Seen, rebuild


def test_an_element_that_nobody_understands_is_left_out() -> None:
    """Somebody added elements by hand; the port beside them comes back, and the start goes on."""
    bridge = Link(1, "pn-a", "bridge", alias="pynet/network/a1")
    links = [bridge, Link(2, "pnhe", "veth", master=1, alias="pynet/endpoint/e0")]
    good, strange, odd = (
        ("6", "8080", "10.9.0.2", "80"),
        ("hopopt", "8080", "10.9.0.2", "80"),
        ("1", "0", "10.9.0.2", "0"),
    )
    elements: Elements = {"pairs4": [("pnhe", "02:42:0a:09:00:02", "10.9.0.2")], "anywhere4": [strange, odd, good]}
    found = rebuild(Seen(links, (), elements), "pynet", (), in_its_mode)
    (endpoint,) = [record for record in found if isinstance(record, Endpoint)]

    assert [(port.proto, port.host_port) for port in endpoint.published] == [(6, 8080)]


def test_an_option_that_the_kernel_does_not_show_is_named() -> None:
    """The warning about a network that was rebuilt follows from the declarations: a new option is in it."""
    hidden = {option.key for option in NetworkSettings.options() if option.key in NOT_SHOWN}

    assert hidden | {option.key for option in SHOWN} == {option.key for option in NetworkSettings.options()}
    assert {"pynet.publish", "pynet.forwarding"} <= hidden
