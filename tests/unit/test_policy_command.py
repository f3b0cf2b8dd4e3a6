"""``pynet policy``: its table, what it sets, and its refusals."""

from collections.abc import Mapping
from typing import Any

import pytest

from cli.commands.changes import Target
from cli.commands.policy import about, as_data, as_text, options_of, options_to_reset
from cli.commands.selection import Selection
from cli.exit_codes import BadUsage
from cli.server.policies import policy_reports
from handlers.schemas.policy import PoliciesReply
from plugin.engine.names import Known
from plugin.errors import InvalidRequest
from plugin.options.network import EndpointSettings
from plugin.policy.judge import OPTIONS
from plugin.protocol.change_messages import SetOptions
from tests.fakes import World
from tests.unit import requests as rq

GROUP, FROM, EGRESS, OUT, CLIENTS = OPTIONS
NAMES = Known({rq.NETWORK_ID: "shop"}, {rq.ENDPOINT_ID: "db"})
BAD = [
    ({FROM: "tcp/99999"}, "ports are from 1 to 65535"),
    ({FROM: "dns:github.com"}, "pynet.allow_out only"),
    ({FROM: "app web"}, "more than one peer"),
    ({OUT: "github.com"}, "a name is written 'dns:github.com'"),
    ({OUT: "dns:*.github.com"}, "a star"),
    ({OUT: ""}, "an entry is empty"),
    ({EGRESS: "maybe"}, "must be allow or deny"),
    ({CLIENTS: "app"}, "addresses and subnets"),
    ({GROUP: "tcp"}, "no name of a group"),
]


@pytest.fixture
def world() -> World:
    """A network with a default, and a container with a policy of its own."""
    world = World()
    world.driver.create_network(rq.network(options={FROM: "none"}))
    own = {GROUP: "db", FROM: "tcp/5432 app", EGRESS: "deny", OUT: "tcp/443 dns:github.com"}
    world.driver.create_endpoint(rq.endpoint(driver_opts=own))
    return world


def data(world: World) -> Mapping[str, Any]:
    return as_data(PoliciesReply().dump(policy_reports(world.store)), NAMES)


def test_a_policy_is_a_row_and_a_name_has_its_addresses(world: World) -> None:
    """The default of the network comes first; a name without an answer yet says so."""
    lines = as_text(data(world), 200).splitlines()

    assert lines[0].split()[:2] == ["NETWORK", "CONTAINER"]
    assert lines[1].split() == ["shop", "(default)", "-", "nobody", "everybody", "everybody"]
    assert "tcp/5432 @ app  tcp/443 @ dns:github.com" in lines[2]
    assert lines[-1] == "github.com  no address known yet"
    assert as_text({"policies": [], "names": []}).startswith("no policy")


def test_one_network_or_container_is_shown_alone(world: World) -> None:
    """A container has its row and the names in it, and a network those of its containers too."""
    found = about(data(world), Selection(containers=frozenset({"db"})))

    assert [row["container"] for row in found["policies"]] == ["db"]
    assert [name["name"] for name in found["names"]] == ["github.com"]
    assert len(about(data(world), Selection(networks=frozenset({rq.NETWORK_ID})))["policies"]) == 2


@pytest.mark.parametrize(("options", "sentence"), BAD)
def test_a_bad_policy_is_a_sentence_and_changes_nothing(world: World, options: dict[str, str], sentence: str) -> None:
    """The reason is in the sentence, and the record is as before."""
    before = data(world)
    with pytest.raises(InvalidRequest, match=sentence.replace("*", r"\*")):
        world.live.set_options(SetOptions(rq.NETWORK_ID, rq.ENDPOINT_ID, options))

    assert data(world) == before


def test_allowed_destinations_alone_deny_the_rest() -> None:
    """With --allow-out egress is denied unless the user says otherwise; without any option nothing is set."""
    assert options_of({OUT: "tcp/443", FROM: None}) == {OUT: "tcp/443", EGRESS: "deny"}
    assert options_of({OUT: "none", EGRESS: "allow"}) == {OUT: "none", EGRESS: "allow"}
    with pytest.raises(BadUsage, match="name what to set"):
        options_of({FROM: None})
    network, end = (options_to_reset(Target("n", "shop", one)) for one in ("", "e"))
    assert set(end) - set(network) == {EndpointSettings.groups.key}
