"""Which networks have packets above 64 kB, and what becomes of them on a kernel without."""

import pytest
import structlog.testing

from netlink.gso import gso_of, gso_sizes
from netlink.wire import attributes, number
from plugin.errors import InvalidRequest
from plugin.host.packet_size import BIG
from plugin.model.records import Network
from tests.fakes import SMALL, World
from tests.unit import requests as rq

PORT = f"pnh{rq.ENDPOINT_ID[:12]}"
MINE, ENGINE = {"com.docker.network.bridge.name": "br-mine"}, {"pynet.publish": "engine"}
TRUSTED = {"com.docker.network.bridge.trusted_host_interfaces": "vpn0"}


def chosen(world: World, *, internal: bool = False, **options: str) -> int:
    """Return the largest packet of a new network with these options of pynet's own."""
    own = {f"pynet.{key}": value for key, value in options.items()}
    return size_of(world, own, internal=internal)


def size_of(world: World, options: dict[str, str], *, internal: bool = False) -> int:
    """Return the largest packet of a new network with ``options``."""
    world.driver.create_network(rq.network(internal=internal, options=options))
    known = world.store.get(Network, rq.NETWORK_ID)
    assert known is not None
    return known.record.gso


def uplink(world: World, name: str, size: int) -> None:
    """Give the host a link of that size to the internet."""
    world.kernel.add_bridge(name, "", 1500)
    world.kernel.change(name, gso=size)
    world.kernel.ways_out.add(name)


@pytest.mark.parametrize(
    ("internal", "options", "size"),
    [
        (True, {}, BIG),
        (True, {"pynet.gso": "off"}, 0),
        (False, {}, 0),
        (False, {"pynet.gso": "on"}, BIG),
        (False, ENGINE, BIG),
        (True, MINE, 0),
        (True, {**MINE, "pynet.gso": "on"}, BIG),
    ],
)
def test_auto_is_on_without_a_way_out(world: World, internal: bool, options: dict[str, str], size: int) -> None:
    """A network without a way out has large packets, but not on a user's bridge, whose ports may lead out."""
    world.kernel.add_bridge("br-mine", "", 1500)
    world.kernel.change("br-mine", group=0)
    assert size_of(world, options, internal=internal) == size


@pytest.mark.parametrize(
    ("sizes", "options", "size"),
    [
        ([BIG], {}, BIG),
        ([2 * BIG, BIG], {}, BIG),
        ([BIG, SMALL], {}, 0),
        ([0], {}, 0),
        ([BIG], TRUSTED, 0),
        ([BIG], {**TRUSTED, "pynet.gso": "on"}, BIG),
    ],
)
def test_auto_is_on_if_all_uplinks_take_it(world: World, sizes: list[int], options: dict[str, str], size: int) -> None:
    """Every link to the internet and every trusted link must take large packets; a missing one is not known to."""
    for number_, uplink_size in enumerate(sizes):
        uplink(world, f"eth{number_}", uplink_size)
    assert size_of(world, options) == size


def test_mode_overlay_refuses_the_option(world: World) -> None:
    """A tunnel takes 64 kB, so the option is none of an overlay network's."""
    options = {"pynet.mode": "overlay", "pynet.network": "shop", "pynet.gso": "on"}
    with pytest.raises(InvalidRequest, match=r"option 'pynet.gso' is for mode bridge or lan only"):
        world.driver.create_network(rq.network(options=options))
    with pytest.raises(InvalidRequest, match=r"option 'pynet.gso' must be auto, on or off, not 'big'"):
        chosen(world, gso="big")


def test_an_older_kernel_leaves_packets_as_they_are(world: World) -> None:
    """Where the kernel has no such packets, `on` is logged once, and the endpoint comes up without."""
    world.kernel.big = False
    with structlog.testing.capture_logs() as lines:
        assert chosen(world, gso="on") == 0
        world.driver.create_endpoint(rq.endpoint())

    assert [line["event"] for line in lines].count("no packets above 64 kB: they need Linux 6.3") == 1
    assert world.survey.look((), idle=True)[1] == []


def test_a_network_survives_a_step_back_to_an_older_kernel(world: World) -> None:
    """A recorded size is not given to links of a kernel that would take it unchecked; nothing is left to repair."""
    assert chosen(world, internal=True) == BIG
    world.kernel.big = False
    world.kernel.change(world.store.list(Network)[0].record.link, gso=0, gso_limit=0)
    world.driver.create_endpoint(rq.endpoint())

    assert world.kernel.by_name[PORT].gso == 0
    assert world.survey.look((), idle=True)[1] == []


def test_the_same_request_again_changes_nothing(world: World) -> None:
    """A repeated request is the same, whatever has become of the uplinks meanwhile."""
    uplink(world, "eth0", BIG)
    assert chosen(world) == BIG
    world.kernel.ways_out.clear()
    assert chosen(world) == BIG


def test_sizes_are_packed_for_both_directions_and_families() -> None:
    """Four attributes in the order that the kernel wants; none without a size, and none are read as 0."""
    packed = [(kind, number(value)) for kind, value in attributes(gso_sizes(BIG))]

    assert packed == [(41, BIG), (58, BIG), (63, BIG), (64, BIG)]
    assert gso_sizes(0) == b""
    assert (gso_of(dict(attributes(gso_sizes(BIG)))), gso_of({41: b"\0\0\1\0"})) == (BIG, 0)
