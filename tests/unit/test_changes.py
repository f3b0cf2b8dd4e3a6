"""Changes on running networks and containers, over Docker's own options."""

from dataclasses import replace

from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.origin import network_layers, of_endpoint, of_network
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
