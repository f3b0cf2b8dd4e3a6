"""Lists of the ``pynet`` command: Docker's columns, flags and templates."""

import json
from collections.abc import Collection
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, NoReturn

import pytest

from cli.commands.networks import ENDPOINT_COLUMNS, of_ids, rows_of
from cli.commands.ports import as_docker_port, of_container
from cli.commands.ps import COLUMNS, filters_of
from cli.commands.ps import rows_of as containers_of
from cli.docker_plugin import metadata, words
from cli.engine.containers import EngineContainer
from cli.human import ago
from cli.listing import Column, ListFlags, ellipsis, listed, short_id
from cli.server.reports import made_addresses, network_report
from handlers.schemas.own import NetworksReply
from plugin.engine.names import Known
from plugin.errors import InvalidRequest, NotFound
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import InterfaceAddress
from tests.contract.conftest import Service
from tests.unit import requests as rq

THINGS = [{"id": "a" * 64, "name": "one"}, {"id": "b" * 64, "name": "a longer name"}]
ID_AND_NAME = (
    Column("ID", "ID", lambda row: str(row["id"]), short_id),
    Column("NAME", "Name", lambda row: str(row["name"]), ellipsis(8)),
    Column("SIZE", "Size", lambda row: str(len(row["name"])), shown=False),
)


def shown(form: str = "", **flags: bool) -> list[str]:
    """The lines of a list of two things."""
    return listed(THINGS, ID_AND_NAME, ListFlags(form, **flags)).splitlines()


def test_a_table_has_heads_and_short_texts() -> None:
    """As Docker's lists; whole ids and texts on request, and ids alone for scripts."""
    assert shown() == ["ID            NAME", "aaaaaaaaaaaa  one", "bbbbbbbbbbbb  a longe…"]
    assert shown(whole=True)[2] == f"{'b' * 64}  a longer name"
    assert shown(quiet=True) == ["a" * 12, "b" * 12]
    assert json.loads("\n".join(shown(machine=True))) == THINGS


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("{{.Name}}: {{ .Size }}", ["one: 3", "a longe…: 13"]),
        (r"table {{.Name}}\t{{.Size}}", ["NAME      SIZE", "one       3", "a longe…  13"]),
        ("{{json .Name}}", ['"one"', '"a longe\\u2026"']),
        ("json", [f'{{"ID": "{c * 12}", "Name": {n}, "Size": "{s}"}}' for c, n, s in
                  (("a", '"one"', 3), ("b", '"a longe\\u2026"', 13))]),
    ],
)  # fmt: skip
def test_templates_are_those_of_docker(form: str, lines: list[str]) -> None:
    """Fields, fields as JSON, tables, and one JSON object a line."""
    assert shown(form) == lines


@pytest.mark.parametrize(
    ("form", "sentence"),
    [("{{.Nmae}}", r"no field '\.Nmae'; there are: \.ID, \.Name, \.Size"), ("{{if .Name}}", "is not understood")],
)
def test_a_template_that_cannot_be_filled_is_refused(form: str, sentence: str) -> None:
    """The sentence names the fields."""
    with pytest.raises(InvalidRequest, match=sentence):
        shown(form)


@pytest.mark.parametrize(
    ("seconds", "words_"),
    [(0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (3599, "59 minutes"),
     (3600, "About an hour"), (6000, "2 hours"), (47 * 3600, "47 hours"), (48 * 3600, "2 days"),
     (14 * 86400, "2 weeks"), (60 * 86400, "2 months"), (800 * 86400, "2 years")],
)  # fmt: skip
def test_ages_are_said_in_dockers_words(seconds: float, words_: str) -> None:
    """The limits of go-units' HumanDuration."""
    assert ago(seconds) == f"{words_} ago"


def port(place: int, to: int, address: str = "0.0.0.0", endpoint: str = "e") -> dict[str, Any]:
    """A port that pynet publishes."""
    return {"endpoint": endpoint, "proto": "tcp", "host_ip": address, "host_port": place, "container_port": to}


def ports_of(*own: dict[str, Any], engines: list[dict[str, Any]] | None = None) -> str:
    """The column of ports of a container."""
    networks = {"Networks": {"blue": {"EndpointID": "e"}}}
    container = {"Id": "c", "Image": "i", "Command": "x", "Created": 0, "Status": "Up", "Names": ["/web"]}
    rows = containers_of([{**container, "Ports": engines or [], "NetworkSettings": networks}], own)
    return listed(rows, COLUMNS, ListFlags("{{.Ports}}"))


def test_ports_are_written_as_docker_ps_does() -> None:
    """Neighbours with equal numbers are a range; others, and ports of other endpoints, are not."""
    assert ports_of(*(port(n, n) for n in (80, 81, 82)), port(90, 83)) == (
        "0.0.0.0:80-82->80-82/tcp, 0.0.0.0:90->83/tcp"
    )
    assert ports_of(port(80, 80, endpoint="other")) == ""
    exposed = [{"PrivatePort": n, "Type": "tcp"} for n in (1, 2, 80)]
    assert ports_of(port(8080, 80, "::"), engines=exposed) == "1-2/tcp, [::]:8080->80/tcp"
    assert ports_of(engines=[{"IP": "::1", "PrivatePort": 1, "PublicPort": 2, "Type": "udp"}]) == "[::1]:2->1/udp"


def test_ports_of_a_container_join_those_of_the_engine() -> None:
    """A container with a network of each has both, in the order of their numbers."""
    found = EngineContainer("web", frozenset("e"), {"100/tcp": [("0.0.0.0", 1)], "7/tcp": []})
    rows = [port(8080, 80), port(1, 2, endpoint="other")]

    assert as_docker_port(of_container(rows, found)) == "80/tcp -> 0.0.0.0:8080\n100/tcp -> 0.0.0.0:1"
    assert as_docker_port(of_container(rows, found, "100"), addresses_only=True) == "0.0.0.0:1"
    with pytest.raises(NotFound, match="no public port '7/tcp' published for web"):
        of_container(rows, found, "7")


def test_filters_go_to_the_engine_as_they_are() -> None:
    """A key may come twice; what is no filter is refused."""
    assert filters_of(["name=a", "name=b=c"]) == {"name": ["a", "b=c"]}
    with pytest.raises(InvalidRequest, match="'web' is not of the form KEY=VALUE"):
        filters_of(["web"])


def test_rows_are_found_by_their_ids() -> None:
    """They have the names that Docker gave; one that is gone meanwhile is left out."""
    service = Service()
    for number, network in enumerate(("a1" * 32, "a2" * 32)):
        service.world.driver.create_network(rq.network(network, f"10.{number}.0.1/24"))
    service.world.driver.create_endpoint(rq.endpoint(address="10.0.0.2/24"))
    reply = service.ask("Networks")[1]
    rows = rows_of(reply, Known({"a1" * 32: "blue"}, {rq.ENDPOINT_ID: "web"}))

    assert [row["name"] for row in of_ids(rows, ["a1" * 32, "a3" * 32, "a2" * 32])] == ["blue", ""]
    assert of_ids(rows[1]["endpoints"], [rq.ENDPOINT_ID])[0]["container"] == "web"


def test_addresses_that_containers_made_are_told() -> None:
    """Addresses beside the given ones are told for containers of the LAN, also if two of them share a MAC."""
    mac, lan = "02:42:0a:09:00:02", Network("a" * 64, "ipvlan", "eth0", host_gateway=False)
    given = [IPv4Interface(f"10.9.0.{number}/24") for number in (1, 2)]
    made = [IPv6Interface(f"fd00::{number}/64") for number in (1, 2)]
    one, two = (Endpoint(str(number) * 64, "a" * 64, mac, given[number]) for number in (0, 1))
    other = Endpoint("3" * 64, "b" * 64, mac, given[0])
    found: list[tuple[str, list[InterfaceAddress]]] = [(mac, [given[number], made[number]]) for number in (0, 1)]

    assert made_addresses([lan], [one, two, other], lambda _: found) == {one.key: [made[0]], two.key: [made[1]]}
    (row,) = rows_of(NetworksReply().dump([network_report(lan, [one], made={one.key: [made[0]]})]), Known())
    assert "10.9.0.1/24, fd00::1/64" in listed(row["endpoints"], ENDPOINT_COLUMNS, ListFlags())


def test_nobody_is_asked_for_addresses_without_a_network_on_the_lan() -> None:
    """A host with bridges only asks no namespace."""

    def refuse(macs: Collection[str]) -> NoReturn:
        raise AssertionError(macs)

    other = Endpoint("3" * 64, "b" * 64, "02:42:0a:09:00:02")
    assert made_addresses([Network("b" * 64, "bridge", "pn-b")], [other], refuse) == {}


def test_docker_learns_the_plugin_and_its_words() -> None:
    """The CLI puts its own flags before the name of the plugin."""
    assert metadata()["SchemaVersion"] == "0.1.0"
    assert words(["--context", "x", "pynet", "ports", "pynet"]) == ["ports", "pynet"]


def test_a_record_of_a_newer_version_is_reported_too() -> None:
    """An option that cannot be read counts as its default, and hides no network from the list."""
    endpoint = Endpoint("e" * 64, "a" * 64, "02:42:0a:09:00:02", driver_opts={"pynet.guard": "later"})
    report = network_report(Network("a" * 64, "bridge", "pn-a", options={"pynet.guard": "off"}), [endpoint])

    assert (report.guarded, report.endpoints[0].guarded) == (False, False)
