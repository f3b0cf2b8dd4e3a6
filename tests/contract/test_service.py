"""pynet's own verbs, on the admin socket."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from ipaddress import ip_address
from logging import INFO, LogRecord
from typing import Any, cast

import pytest

from handlers.routes import ROUTES
from netlink.links import Link
from netlink.statistics import LinkCounts
from plugin.model.names import host_link_name
from plugin.protocol.drop_messages import DropEnd, DropReport
from plugin.request.execution import WorkerPool
from plugin.request.locks import LOOK
from tests.contract.conftest import Service
from tests.contract.contract import service_validator
from tests.unit import requests as rq

BRIDGE = "pn-a1a1a1a1a1a1"


def test_reconcile_says_what_it_did(service: Service) -> None:
    """One entry for each repair, and none when all is well."""
    service.world.driver.create_network(rq.network())
    service.world.kernel.change(BRIDGE, up=False)

    assert service.ask("Reconcile") == (
        200,
        {
            "Repairs": [
                {
                    "Kind": "LinkDown",
                    "Sentence": f"link '{BRIDGE}' of network 'a1a1a1a1a1a1' is down: set it up",
                    "Error": "",
                }
            ]
        },
    )
    assert service.ask("Reconcile") == (200, {"Repairs": []})


def test_status_counts_repairs_and_names_what_fails(service: Service) -> None:
    """Counts since the start, and the last look's failures."""
    service.world.driver.create_network(rq.network())
    service.world.kernel.change(BRIDGE, up=False)
    service.ask("Reconcile")
    service.world.kernel.by_name[BRIDGE] = Link(50, BRIDGE, "dummy")
    service.ask("Reconcile")
    status, reply = service.ask("Status")

    assert (status, reply["Repairs"], reply["Looks"]) == (200, {"LinkDown": 1}, 2)
    assert isinstance(reply["Failing"], list)
    assert "give that one another name" in reply["Failing"][0]["Error"]


def test_traffic_is_as_its_schema_says(service: Service) -> None:
    """Networks with their endpoints and ports; counters of a link that is gone are null."""
    service.world.driver.create_network(rq.network())
    service.world.driver.create_endpoint(rq.endpoint())
    service.world.driver.program_external_connectivity(rq.program(8080))
    service_validator("Traffic").validate(service.ask("Traffic")[1])
    link = host_link_name(rq.ENDPOINT_ID)
    service.statistics.of_links[link] = LinkCounts(1, 2, 3, 4, 5, 6, 7, 8)
    status, reply = service.ask("Traffic")

    service_validator("Traffic").validate(reply)
    end = cast("Any", reply)["Networks"][0]["Endpoints"][0]
    assert (status, reply["Time"], end["Link"]) == (200, 5.0, link)
    assert end["In"] == {"Bytes": 4, "Packets": 2, "Drops": 8, "Errors": 6}
    assert [port["HostPort"] for port in end["Ports"]]


def test_drops_are_as_their_schema_says(service: Service) -> None:
    """Both ends have what is known of them, and the rest is empty."""
    assert service.ask("Drops") == (200, {"Drops": []})
    sender, receiver = DropEnd("e" * 64, ip_address("10.9.0.2"), BRIDGE), DropEnd("", None, "")
    service.dropped.append(DropReport("a1" * 32, "internal_out", sender, receiver, 3, since=1.5, last=2.5))
    status, reply = service.ask("Drops")

    service_validator("Drops").validate(reply)
    (drop,) = cast("Any", reply)["Drops"]
    assert (status, drop["From"]["Address"], drop["To"]) == (
        200,
        "10.9.0.2",
        {"Endpoint": "", "Address": "", "Link": ""},
    )


@pytest.mark.parametrize("method", ["Pynet.Status", "Pynet", "pynet.Status", "Status"])
def test_the_engines_socket_has_none_of_them(service: Service, method: str) -> None:
    """404 keeps its meaning there."""
    assert service.post(method)[0] == 404


@pytest.mark.parametrize(("verb", "route"), ROUTES.items())
def test_root_alone_may_change_something(service: Service, verb: str, route: tuple[str, str]) -> None:
    """A GET is answered for every user who could open the socket; a POST is refused, and nothing is carried out."""
    service.user = 1000
    status, reply = service.ask(verb)

    assert (status == 403) is (route[0] == "POST")
    if route[0] == "POST":
        assert reply["Err"] == "only root may do this, and user 1000 asked; run it as root"
        assert service.admin.get(route[1]).status_code == 405


def test_what_is_not_known_is_a_sentence(service: Service) -> None:
    """A path of a later version, and a method that a path does not have, keep their status."""
    for method, path, status in (("GET", "/v2/status", 404), ("POST", "/v1/status", 405), ("GET", "/", 404)):
        answer = service.admin.open(path, method=method)
        assert (answer.status_code, answer.content_type) == (status, "application/json")
        assert answer.get_json()["Err"] == f"{method} '{path}' is not known here"


def test_health_has_a_reason(service: Service) -> None:
    """A machine reads the status, a person the sentence; the command gets both with status 200."""
    sound = service.admin.get("/healthz")
    service.trouble = "thread 'watcher' has died"
    ill, told = service.admin.get("/healthz"), service.ask("Health")

    check = {"Check": "serving", "State": "ok", "Reason": ""}
    assert (sound.status_code, sound.get_json()) == (200, {"Healthy": True, "State": "ok", "Checks": [check]})
    assert (ill.status_code, ill.get_json()["Err"]) == (503, "thread 'watcher' has died")
    assert told == (200, ill.get_json())


def test_metrics_are_text(service: Service) -> None:
    """The admin socket has the page, with requests by verb and outcome."""
    service.world.driver.create_network(rq.network())
    service.ask("Status")
    service.ask("ForgetHost", "{}")
    page = service.admin.get("/metrics")

    assert page.content_type == "text/plain; version=0.0.4; charset=utf-8"
    for verb, outcome in (("Status", "ok"), ("ForgetHost", "refused")):
        assert f'_seconds_count{{verb="Pynet.{verb}",outcome="{outcome}"}} 1\n' in page.text
    assert service.admin.post("/metrics").status_code == 405


def test_the_log_is_told_from_a_cursor_on(service: Service) -> None:
    """The command asks again with the cursor of the reply."""
    service.log.handle(LogRecord("x", INFO, "x.py", 1, {"event": "served", "ms": 1}, None, None))
    _, first = service.ask("Log")
    _, second = service.ask("Log", cursor=str(first["Cursor"]))

    assert [each["Event"] for each in cast("list[dict[str, str]]", first["Records"])] == ["served"]
    assert second == {"Cursor": first["Cursor"], "Records": []}


def test_a_look_that_is_not_possible_is_a_sentence(service: Service) -> None:
    """As for every other verb."""
    service.world.driver.create_network(rq.network())
    service.world.failing_store.real.close()
    status, reply = service.ask("Reconcile")

    assert status == 500
    assert "closed" in str(reply["Err"])


def test_one_look_is_asked_for_at_a_time() -> None:
    """A Reconcile waits for a survey in progress; a second one is refused at once."""
    service = Service(WorkerPool(2.0))
    with service.world.locks.hold(LOOK), ThreadPoolExecutor(2) as pool:
        answers = [str(reply["Err"]) for _, reply in pool.map(service.ask, ["Reconcile"] * 2)]

    assert sorted(answers) == [
        "Pynet.Reconcile is busy: it is carried out 1 at a time at most, ask again in a moment",
        "look at links is busy with another request for more than 1 s",
    ]
    assert service.ask("Reconcile") == (200, {"Repairs": []})


def test_a_status_that_hangs_takes_four_callers_with_it(service: Service) -> None:
    """If Status hangs, four callers wait, and the fifth is told that pynet is busy."""
    hanging = threading.Event()
    service.world.reconciler._drops = lambda: hanging.wait(20) and ()  # type: ignore[assignment,return-value]
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(service.ask, "Status") for _ in range(5)]
        busy = next(as_completed(answers)).result()
        hanging.set()

    assert (busy[0], "it is carried out 4 at a time at most" in str(busy[1]["Err"])) == (500, True)
    assert sorted(answer.result()[0] for answer in answers) == [200] * 4 + [500]


def test_about_says_who_serves_and_by_which_settings(service: Service) -> None:
    """About returns the settings of the running pynet and their origins."""
    status, reply = service.ask("About")

    assert (status, reply["Name"], reply["StateDir"], reply["Managed"]) == (200, "pynet", "/nowhere", False)
    assert isinstance(reply["Settings"], list)
    assert {"Key": "PYNET_THREADS", "Value": "64", "Origin": "environment"} in reply["Settings"]
    assert {"Key": "PYNET_STORE", "Value": "", "Origin": "default"} in reply["Settings"]
    assert service.ask("Settings")[1] == {"Settings": reply["Settings"]}


def test_a_look_repairs_nothing(service: Service) -> None:
    """Look reports drift each time, and repairs nothing."""
    service.world.driver.create_network(rq.network())
    service.world.kernel.change(BRIDGE, up=False)
    first, second = service.ask("Look")[1], service.ask("Look")[1]
    repaired = service.ask("Reconcile")[1]

    assert first == second == repaired
    assert "LinkDown" in str(first)
    assert service.ask("Look") == (200, {"Repairs": []})


def test_ports_and_backup_are_what_the_store_has(service: Service) -> None:
    """Ports and Backup answer from the store; a missing state is refused with a sentence."""
    assert service.ask("Ports") == (200, {"Ports": []})
    status, reply = service.ask("Backup")
    assert (status, reply["Err"]) == (500, "read store '/nowhere/pynet.db': no such file or directory")


def test_a_cluster_that_is_none_is_a_sentence(service: Service) -> None:
    """Without a cluster both verbs name the missing setting."""
    for verb, body in (("ClusterStatus", ""), ("ForgetHost", '{"Host": "b"}')):
        status, reply = service.ask(verb, body)
        assert (status, "PYNET_STORE names no store that hosts share" in str(reply["Err"])) == (400, True)
    assert "field 'Host'" in str(service.ask("ForgetHost", "{}")[1]["Err"])


def test_a_change_that_is_refused_tells_its_kind() -> None:
    """The command exits with the code of a thing that is missing; a change is for root alone."""
    service, body = Service(), json.dumps({"NetworkID": "a1" * 32, "Options": {"guard": "off"}})
    method, path, _ = ROUTES["SetOptions"]
    with service.admin.open(path, method=method, data=body) as answer:
        assert (answer.status_code, answer.headers["Error-Kind"]) == (500, "NotFound")

    service.user = 1000
    assert service.ask("SetOptions", body)[0] == 403


OF_END = {"NetworkID": "a1", "EndpointID": "e1"}
BAD_CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no options": ("SetOptions", {"NetworkID": "a1"}, "field 'Options' is missing; it has to be an object of texts"),
    "number": (
        "SetOptions",
        {"NetworkID": "a1", "Options": {"mtu": 1}},
        "field 'Options.mtu' is 1; it has to be a text",
    ),
    "empty word": ("ResetOptions", {**OF_END, "Options": [""]}, "field 'Options[0]' is ''; it has to be a text"),
    "no ports": ("PublishPorts", OF_END, "name at least one port"),
    "null": ("UnpublishPorts", {**OF_END, "Ports": None}, "name at least one port"),
    "port": ("PublishPorts", {**OF_END, "Ports": [{"Proto": 6, "Port": 65536}]}, "it has to be a port number"),
    "no endpoint": ("UnpublishPorts", {"NetworkID": "a1"}, "field 'EndpointID' is missing"),
    "address": ("ReserveAddress", {"NetworkID": "a1", "Name": "web", "Address": "x"}, "it has to be an IP address"),
    "no container": ("TakeLease", {"NetworkID": "a1"}, "field 'EndpointID' is missing"),
    "no name": ("UnreserveAddress", {"NetworkID": "a1"}, "field 'Name' is missing"),
}


@pytest.mark.parametrize(("verb", "body", "why"), BAD_CHANGES.values(), ids=BAD_CHANGES)
def test_a_bad_change_is_refused_with_a_sentence(verb: str, body: dict[str, Any], why: str) -> None:
    """The sentence names the field, and nothing is changed."""
    service = Service()
    before = service.world.snapshot()
    status, reply = service.ask(verb, json.dumps(body))

    assert (status, service.world.snapshot()) == (400, before)
    assert why in str(reply["Err"])
