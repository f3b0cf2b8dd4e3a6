"""Changes on running networks and containers, over Docker's own options."""

from dataclasses import replace

import pytest

from netlink.bridge_port import port_flags
from netlink.errors import KernelError
from netlink.links import Link
from plugin.errors import InvalidRequest, NotFound, PynetError
from plugin.model.names import bridge_name, host_link_name
from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.origin import network_layers, of_endpoint, of_network
from plugin.protocol.change_messages import ResetOptions, SetOptions
from plugin.store.base import Put
from plugin.store.rows import decode, encode
from tests.fakes import World
from tests.unit import requests as rq

MTU, GUARD, ALLOW = NetworkSettings.mtu.key, NetworkSettings.guard.key, NetworkSettings.guard_allow.key
NETWORK = Network("n", "bridge", "pn-n", options={MTU: "9000", GUARD: "off"})
ENDPOINT = Endpoint("e", "n", "02:42:0a:09:00:02", driver_opts={GUARD: "on"})
OFF, ON = {GUARD: "off"}, {GUARD: "on"}


def stored(world: World) -> Network:
    """Return the record of the network of requests."""
    found = world.store.get(Network, rq.NETWORK_ID)
    assert found is not None
    return found.record


def end(world: World) -> Endpoint:
    """Return the record of the endpoint of requests."""
    found = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert found is not None
    return found.record


def test_a_change_goes_before_the_option_of_docker() -> None:
    """Readers of settings get the change where there is one, and Docker's own option elsewhere."""
    network, endpoint = replace(NETWORK, changes={MTU: "1400"}), replace(ENDPOINT, changes={GUARD: "off"})

    assert (network.mtu, network.settings.mtu, network.settings.guard) == (1400, 1400, False)
    assert (ENDPOINT.guard(network).on, endpoint.guard(network).on) == (True, False)
    assert (network.options, endpoint.driver_opts) == (NETWORK.options, ENDPOINT.driver_opts)


def test_records_keep_changes_and_older_ones_have_none() -> None:
    """A record that is written and read is the same; one of an earlier version reads as without changes."""
    for record, changes in ((NETWORK, {MTU: "1400"}), (ENDPOINT, {GUARD: "off"})):
        changed = replace(record, changes=changes)
        older = encode(record).replace(',"changes":{}', "")

        assert decode(type(record), encode(changed)) == changed
        assert older != encode(record)
        assert decode(type(record), older) == record


def test_each_value_has_an_origin() -> None:
    """The last of default, network option, network change, endpoint option and endpoint change is in force."""
    of = {each.key: each for each in of_network(NetworkSettings.options(), NETWORK.options, {MTU: "1400"})}
    layers, own = network_layers(NETWORK.options, {GUARD: "on"}), {ALLOW: "10.0.0.9"}
    found = [of_endpoint(layers, options, changes) for options, changes in (({}, {}), ({GUARD: "off"}, own))]

    assert [(of[key].value, of[key].origin) for key in (MTU, GUARD, ALLOW)] == [
        ("1400", "network change"),
        ("off", "network option"),
        ("", "default"),
    ]
    assert [[(each.value, each.origin) for each in ends if each.key in (GUARD, ALLOW)] for ends in found] == [
        [("on", "network change"), ("", "default")],
        [("off", "endpoint option"), ("10.0.0.9", "endpoint change")],
    ]


def test_an_inherited_option_without_any_value_has_the_default_of_networks() -> None:
    """The default of an endpoint's option may be "as the network says"; then the network's default is shown."""
    found = {each.key: each for each in of_endpoint(network_layers({}, {}), {}, {})}

    assert EndpointSettings.guard.default is None
    assert (found[GUARD].value, found[GUARD].origin) == ("true", "default")


def test_a_repeated_request_does_not_see_changes(world: World) -> None:
    """The engine repeats its requests with its own options; that is no difference, and the changes stay."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    of_network, of_endpoint = Put(replace(stored(world), changes=OFF)), Put(replace(end(world), changes=ON))
    world.store.transact(of_network, of_endpoint)
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())

    assert (stored(world).changes, end(world).changes) == (OFF, ON)


def changed(world: World, *words: str, endpoint: str = "") -> dict[str, str]:
    """Set options such as "icc=off" on the network of requests or on its endpoint, and return what changed."""
    options = dict(word.split("=", 1) for word in words)
    done = world.live.set_options(SetOptions(rq.NETWORK_ID, endpoint, options))
    return {each.key: each.value for each in done.settings}


@pytest.fixture
def running(world: World) -> World:
    """Return a world with a network and an endpoint that joined it."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    return world


LIVE = {
    "guard": ["guard=off"],
    "icc": ["icc=off"],
    "mtu": ["mtu=1400"],
    "gso": ["gso=on"],
    "masquerade": ["masquerade=false"],
    "guard_allow": ["guard_allow=10.0.0.9,02:00:00:00:00:99"],
    "several": ["icc=off", "mtu=1300", "guard=off"],
}


def whole(world: World) -> object:
    """Return everything that a change may change, with the flags of ports and the sizes of packets."""
    links = {name: (link.port, link.gso) for name, link in world.kernel.by_name.items() if link.kind == "bridge"}
    ports = {name: (link.port, link.gso) for name, link in world.kernel.by_name.items() if name.startswith("pnh")}
    return world.snapshot(), links, ports, dict(world.kernel.macs)


@pytest.mark.parametrize("words", LIVE.values(), ids=LIVE)
def test_a_changed_network_is_as_if_it_had_been_created_so(words: list[str], running: World) -> None:
    """Kernel and rules of network and endpoint are those of a network that was created with the options."""
    changed(running, *words)
    options = dict(stored(running).changes)
    other = World()
    other.driver.create_network(rq.network(options=options))
    other.driver.create_endpoint(rq.endpoint())
    host = host_link_name(rq.ENDPOINT_ID)

    for name in (host, bridge_name(rq.NETWORK_ID)):
        are, should = running.kernel.by_name[name], other.kernel.by_name[name]
        assert (are.mtu, are.gso, are.port, are.mac) == (should.mtu, should.gso, should.port, should.mac)
    assert running.kernel.macs == other.kernel.macs
    assert running.nft.snapshot() == other.nft.snapshot()
    assert running.dry_run.look() == []


@pytest.mark.parametrize("words", LIVE.values(), ids=LIVE)
def test_reset_makes_everything_as_it_was(words: list[str], running: World) -> None:
    """Without words all changes are taken back, in kernel, rules and records, and nothing is left to repair."""
    before = whole(running)
    changed(running, *words)
    assert whole(running) != before
    running.live.reset_options(ResetOptions(rq.NETWORK_ID))

    records = replace(stored(running), gso=0)
    running.store.transact(Put(records))  # the kernel's own size, which was not chosen before
    assert whole(running) == before
    assert running.dry_run.look() == []


def test_a_change_of_one_endpoint_stays_there(running: World) -> None:
    """An option of an endpoint goes before its network's, and other endpoints keep theirs."""
    assert changed(running, "guard=off", endpoint=rq.ENDPOINT_ID) == {GUARD: "off"}
    assert (end(running).changes, stored(running).changes) == (OFF, {})
    assert running.kernel.by_name[host_link_name(rq.ENDPOINT_ID)].port == port_flags(learning=True)

    running.live.reset_options(ResetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID, ["guard"]))
    assert end(running).changes == {}
    assert running.kernel.by_name[host_link_name(rq.ENDPOINT_ID)].port == port_flags(learning=False)


@pytest.mark.parametrize("words", LIVE.values(), ids=LIVE)
def test_a_change_that_fails_leaves_everything_as_it_was(words: list[str], running: World) -> None:
    """Whatever step fails, kernel, rules and records are as before, and the same change then succeeds."""
    options = dict(word.split("=", 1) for word in words)
    request, before = SetOptions(rq.NETWORK_ID, "", options), whole(running)
    running.steps.count = 0
    for step in range(1, 60):
        running.failing_at(step)
        try:
            running.live.set_options(request)
            break
        except (KernelError, PynetError):
            running.healed()
            running.bury()
            assert whole(running) == before, step
    running.healed()

    assert step > 1
    assert stored(running).changes


BAD = {
    "nothing": ([], "name at least one option"),
    "unknown": (["gaurd=off"], "options that can be changed on a network: .*egress, from, gso, guard, .*icc, .*mtu"),
    "value": (["mtu=big"], "option 'com.docker.network.driver.mtu' must be a number of bytes"),
    "small": (["mtu=67"], "must be a number of bytes, 0 or from 68 to 65535, not '67'"),
    "one of two": (["guard=off", "icc=perhaps"], "enable_icc' must be true or false, not 'perhaps'"),
    "at creation": (["pynet.mode=overlay"], "'pynet.mode' is decided when a network is created"),
    "name": (["bridge_name=br0"], "bridge.name' is decided when a network is created; remove the network"),
    "twice": (["mtu=1400", "com.docker.network.driver.mtu=1400"], "driver.mtu' is named twice"),
    "too small": (["mtu=1200"], "IPv6 needs 1280 bytes"),
}


@pytest.mark.parametrize(("words", "why"), BAD.values(), ids=BAD)
def test_bad_changes_are_refused_with_a_sentence(words: list[str], why: str, world: World) -> None:
    """Nothing is changed, not even the good half."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    world.driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))
    before = whole(world)

    with pytest.raises(InvalidRequest, match=why):
        changed(world, *words)
    assert whole(world) == before


def test_what_is_not_there_cannot_be_changed(running: World) -> None:
    """Unknown networks, unknown endpoints, and those that are being removed are refused with a sentence."""
    for network, endpoint in (("b2" * 32, ""), (rq.NETWORK_ID, "b2" * 32)):
        with pytest.raises(NotFound, match=r"is not known to pynet$"):
            running.live.set_options(SetOptions(network, endpoint, OFF))
    with pytest.raises(InvalidRequest, match=r"'pynet.guard_all' is not known here"):
        running.live.reset_options(ResetOptions(rq.NETWORK_ID, "", ["pynet.guard_all"]))


def test_an_adopted_bridge_keeps_icc_and_its_mtu(world: World) -> None:
    """Rules of icc name the bridge's MAC, which the user may change; the MTU of a user's bridge is the user's."""
    world.kernel.add_bridge("br0", "02:00:00:00:00:01", 9000)
    world.kernel.change("br0", group=0)
    world.driver.create_network(rq.network(options={NetworkSettings.bridge_name.key: "br0"}))

    with pytest.raises(InvalidRequest, match="pynet did not make bridge 'br0'"):
        changed(world, "icc=off")
    changed(world, "mtu=1400")
    assert world.kernel.by_name["br0"].mtu == 9000


def test_a_change_costs_one_network(running: World) -> None:
    """Of links, those of the network's own bridge are listed, and no others."""
    for number in range(1, 9):
        running.driver.create_network(rq.network(f"{number:02}" * 32, f"10.{number}.0.1/24"))
    listed = running.kernel.links
    asked: list[int] = []

    def links(*, kind: str = "", master: int = 0) -> list[Link]:
        asked.append(master)
        return listed(kind=kind, master=master)

    running.kernel.links = links  # type: ignore[method-assign]
    changed(running, "icc=off", "mtu=1400")

    assert set(asked) == {running.kernel.by_name[bridge_name(rq.NETWORK_ID)].index}
