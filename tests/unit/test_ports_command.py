"""``pynet ports``: the reply of the pynet that serves, as a table."""

from ipaddress import IPv4Interface, ip_address

from cli.commands.ports import as_text, rows_of
from cli.server.answers import Answers, Sources
from cli.server.log_ring import LogRing
from cli.server.overview import Overview
from cli.settings import read_settings
from handlers.schemas.own import PortsReply
from plugin.engine.names import Known
from plugin.model.records import Endpoint, Published
from plugin.observe.counters import TrafficReader
from plugin.store.base import Put
from tests.fake_statistics import FakeStatistics
from tests.fakes import World

HOSTED = Published(6, 80, ip_address("10.9.0.2"), ip_address("::"), 8080)
ROUTED = Published(17, 53, ip_address("10.9.0.2"))


def test_names_are_shown_where_the_engine_knows_them() -> None:
    """The table has one line a published port; a routed one has no host port."""
    world = World()
    endpoint = Endpoint(
        "e" * 64, "a" * 64, "02:42:0a:09:00:02", IPv4Interface("10.9.0.2/24"), published=(HOSTED, ROUTED)
    )
    world.store.transact(Put(endpoint))
    traffic = TrafficReader(world.store, FakeStatistics(), "pynet")
    overview = Overview(world.store, world.names, FakeStatistics())
    sources = Sources(world.dry_run.look, LogRing().since, traffic.read, overview.since, list)
    answers = Answers(read_settings({}), world.store, world.reconciler, sources, world.live)
    rows = rows_of(PortsReply().dump(answers.ports()), Known({"a" * 64: "web"}, {"e" * 64: "site"}))
    lines = as_text(rows).splitlines()

    assert lines[0].split() == ["CONTAINER", "NETWORK", "PROTO", "HOST", "ADDRESS"]
    assert [line.split() for line in lines[1:]] == [
        ["site", "web", "udp", "-", "10.9.0.2:53"],
        ["site", "web", "tcp", "[::]:8080", "10.9.0.2:80"],
    ]
