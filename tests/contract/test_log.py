"""Each request has one log line, with its ids and the time of each layer."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from handlers.app import create_app, request_line
from plugin.errors import Busy, Conflict, Exhausted, Failed, InvalidRequest, NotFound, PynetError, Unsupported
from plugin.protocol.api import IpamDriver, NetworkDriver
from plugin.request.timing import collect, timed
from tests.contract.conftest import Service

NETWORK, ENDPOINT = "a1" * 32, "e0" * 32
BODY = f'{{"NetworkID":"{NETWORK}","EndpointID":"{ENDPOINT}"}}'


class Scripted:
    """A driver and address manager whose every verb does the same thing."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    def __getattr__(self, _: str) -> Callable[..., Any]:
        return lambda *_: self._act()


def fail(error: Exception) -> Callable[[], Any]:
    """Return a call that raises ``error``."""

    def act() -> None:
        raise error

    return act


def ask(act: Callable[[], Any]) -> tuple[int, str]:
    """Send Leave to a driver that does ``act``; return status and text."""
    scripted: Any = Scripted(act)
    driver: NetworkDriver = scripted
    ipam: IpamDriver = scripted
    answer = create_app(driver, ipam).test_client().post("/NetworkDriver.Leave", data=BODY)
    return answer.status_code, answer.get_data(as_text=True)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Whatever is logged, with what is bound to the request."""
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured


def test_an_activation_carries_nothing_of_the_request_before(lines: list[Any], service: Service) -> None:
    """The line of an activation has no ids of a request that the same thread served before."""
    service.post("NetworkDriver.Leave", BODY)
    service.post("Plugin.Activate", "")

    assert lines[-1] == {"event": "activated", "log_level": "info"}


def test_a_request_is_one_line_with_short_ids(lines: list[Any], service: Service) -> None:
    """Verb, short ids and milliseconds; networks and endpoints come and go at level info, the rest is for debugging."""
    service.post("NetworkDriver.Leave", BODY)
    service.post("NetworkDriver.DeleteEndpoint", BODY)

    ids = {"network": NETWORK[:12], "endpoint": ENDPOINT[:12]}
    assert [line.pop("ms") >= 0 for line in lines] == [True, True]
    assert lines == [
        {"event": "served", "log_level": "debug", "verb": "NetworkDriver.Leave"} | ids,
        {"event": "endpoint removed", "log_level": "info", "verb": "NetworkDriver.DeleteEndpoint"} | ids,
    ]


def test_a_slow_request_is_a_warning(lines: list[Any]) -> None:
    """More than two seconds are too many, also for a request that is else for debugging only."""
    for event, milliseconds in (("network created", 2001.0), ("", 2001.0), ("", 1.0)):
        request_line(event, {"ms": milliseconds})()

    found = [(each["event"], each["log_level"]) for each in lines]
    assert found == [("network created, slowly", "warning"), ("served, slowly", "warning"), ("served", "debug")]


def test_questions_are_logged_for_debugging_only(lines: list[Any], service: Service) -> None:
    """The engine asks EndpointOperInfo after every start; those lines would bury the others."""
    service.post("NetworkDriver.EndpointOperInfo", BODY)

    assert [line["log_level"] for line in lines] == ["debug"]


def test_the_ids_of_a_request_do_not_stick_to_the_next(lines: list[Any], service: Service) -> None:
    """Threads serve one request after the other."""
    service.post("NetworkDriver.Leave", BODY)
    service.post("IpamDriver.GetCapabilities")

    assert "network" not in lines[-1]


@pytest.mark.parametrize(
    ("error", "status"),
    [(kind("no 'x'"), 400) for kind in (InvalidRequest, Unsupported)]
    + [(kind("no 'x'"), 500) for kind in (PynetError, NotFound, Conflict, Exhausted, Busy, Failed)],
)
def test_an_error_is_told_and_logged_once(lines: list[Any], error: PynetError, status: int) -> None:
    """The caller and the log get the same sentence once; only the log has failed undo steps.

    A user's mistake is a warning: nobody has to get up for it.
    """
    error.add_note("undo failed: y")
    text = '{"Err":"no \'x\'","Error":"no \'x\'"}\n'

    assert ask(fail(error)) == (status, text)
    [line] = lines
    level = "error" if type(error) in {PynetError, Busy, Failed} else "warning"
    assert (line["log_level"], line["error"], line["notes"]) == (level, "no 'x'", ["undo failed: y"])
    assert "exc_info" not in line


@pytest.mark.parametrize(
    "error", [ValueError("secret"), RecursionError("secret"), ExceptionGroup("secret", [OSError()])]
)
def test_a_defect_is_logged_and_not_told(lines: list[Any], error: Exception) -> None:
    """The caller gets one short sentence, the log the traceback, once."""
    status, text = ask(fail(error))

    assert (status, "secret" in text, "Traceback" in text) == (500, False, False)
    assert f"internal error ({type(error).__name__})" in text
    assert [line["exc_info"] for line in lines] == [error]


def test_time_is_charged_to_the_layer(lines: list[Any]) -> None:
    """The line of a request says what each layer took, whether its call succeeded or not."""
    netlink = timed("netlink", Scripted(lambda: None))
    store = timed("store", Scripted(fail(Failed("disk full"))))

    assert ask(lambda: (netlink.add(), netlink.add(), store.put()))[0] == 500
    assert all(lines[0][f"{layer}_ms"] >= 0 for layer in ("netlink", "store"))


def test_layers_are_charged_apart_and_only_inside_collect() -> None:
    """Nothing is recorded outside a request, plain attributes pass through, and results come back."""
    layer: Any = timed("layer", "text")
    assert layer.upper() == "TEXT"
    with collect() as outer:
        layer.upper()
        with collect() as inner:
            assert inner == {}
    assert list(outer) == ["layer"]
    assert outer["layer"] > 0
