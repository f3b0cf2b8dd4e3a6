"""Networks of a swarm: its leader settles how all nodes know them."""

import pytest

from cli.settings import read_settings
from plugin.errors import InvalidRequest
from plugin.protocol.messages import AllocateNetwork
from plugin.swarm.allocation import capabilities_of, settle
from tests.fakes import World

ID = "x4k2mz9q1w7e5r3t8y6u0ip2a"  # as swarm makes them: 25 characters, base 36


def settled(world: World, scope: str = "swarm", **options: str) -> dict[str, str]:
    """Return the answer to AllocateNetwork, with dots for double underlines in the names of options."""
    asked = {key.replace("__", "."): value for key, value in options.items()}
    told = capabilities_of(read_settings({"PYNET_SCOPE": scope}))
    return dict(settle(world.modes, AllocateNetwork(ID, asked), told))


def test_networks_are_local_until_the_setting_says_otherwise() -> None:
    """PYNET_SCOPE decides what the engine hears of networks and of names, and knows two words."""
    heard = [capabilities_of(read_settings(env)) for env in ({}, {"PYNET_SCOPE": "swarm"})]
    assert [(one.scope, one.connectivity_scope) for one in heard] == [("local", "local"), ("global", "global")]
    with pytest.raises(InvalidRequest, match="'PYNET_SCOPE' must be local or swarm, not 'global'"):
        read_settings({"PYNET_SCOPE": "global"})


def test_the_leader_gives_mode_and_name_and_echoes_the_rest(world: World) -> None:
    """A network without a mode spans the nodes, and its id is the name by which they agree."""
    assert settled(world, foo="bar", pynet__vni="77") == {
        "foo": "bar",
        "pynet.vni": "77",
        "pynet.mode": "overlay",
        "pynet.network": ID,
    }


def test_another_leader_gives_the_same_answer(world: World) -> None:
    """A new leader gets the earlier answer as options, and has nothing in its state."""
    first = settled(world, pynet__network="blue")
    assert first["pynet.network"] == "blue"
    assert settled(world, **{key.replace(".", "__"): value for key, value in first.items()}) == first


def test_other_modes_and_other_scopes_are_left_alone(world: World) -> None:
    """A mode that the user chose stays without a name; without a swarm's scope nothing is added."""
    assert settled(world, pynet__mode="bridge") == {"pynet.mode": "bridge"}
    assert settled(world, scope="local", foo="bar") == {"foo": "bar"}


def test_a_bad_option_is_refused_on_the_leader(world: World) -> None:
    """An unknown option of pynet is refused before any node makes the network."""
    with pytest.raises(InvalidRequest, match=r"pynet\.vin"):
        settled(world, pynet__vin="77")
