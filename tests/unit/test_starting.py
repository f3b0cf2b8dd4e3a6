"""Calls while pynet starts, and requests while the host is brought in line."""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from cli.server.starting import Respond, Starting
from netlink.deadline import deadline
from plugin.errors import Busy, Failed
from plugin.protocol.messages import NetworkRef
from plugin.request.gate import Gate
from tests.fakes import World
from tests.unit import requests as rq

ACTIVATE, OTHER = "/Plugin.Activate", "/NetworkDriver.GetCapabilities"
PATIENCE = 10.0  # seconds


class Steps:
    """The steps of a start, of which one may wait for ever or fail."""

    def __init__(self, stuck: str = "", wrong: str = "") -> None:
        self._stuck, self._wrong, self._failed = stuck, wrong, threading.Event()

    def app(self, patience: float) -> Starting:
        """Start."""
        steps = (lambda: self._take("check"), self._load, lambda _: self._take("finish"))
        return Starting(*steps, lambda _: self._failed.set(), patience).start()

    def wait_until_failed(self) -> None:
        """Wait for the error to be reported."""
        assert self._failed.wait(PATIENCE)

    def _load(self) -> object:
        self._take("load")
        return _real

    def _take(self, step: str) -> None:
        if step == self._wrong:
            raise Failed("no state")
        if step == self._stuck:
            threading.Event().wait()


def _real(_: Mapping[str, Any], respond: Respond) -> Iterable[bytes]:
    respond("200 OK", [])
    return [b"real"]


def call(app: Starting, path: str, length: str = "0") -> tuple[str, bytes]:
    """Return the status and the body of an answer."""
    status: list[str] = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "CONTENT_LENGTH": length}
    body = b"".join(app(environ, lambda line, _: status.append(line)))
    return status[0][:3], body


def test_an_engine_activates_pynet_before_everything_is_loaded() -> None:
    """Nothing else is answered before; a body is left to the real application, which limits its length."""
    app = Steps(stuck="load").app(patience=0.05)

    assert call(app, ACTIVATE) == ("200", b'{"Implements":["NetworkDriver","IpamDriver"]}\n')
    assert [call(app, *other)[0] for other in ((OTHER,), (ACTIVATE, "5"))] == ["500", "500"]
    assert b"still starting" in call(app, OTHER)[1]


def test_the_application_serves_while_the_host_is_brought_in_line() -> None:
    """The last step of a start takes longest, and questions need not wait for it."""
    assert call(Steps(stuck="finish").app(PATIENCE), OTHER) == ("200", b"real")


@pytest.mark.parametrize("wrong", ["check", "load", "finish"])
def test_a_start_that_fails_refuses_calls_with_its_reason(wrong: str) -> None:
    """Whatever step fails, callers learn why instead of waiting."""
    steps = Steps(wrong=wrong)
    app = steps.app(PATIENCE)
    steps.wait_until_failed()

    for path in (ACTIVATE, OTHER):
        status, body = call(app, path)
        assert (status, set(json.loads(body).values())) == ("500", {"pynet does not serve: no state"})


def test_requests_wait_until_the_host_is_in_line(world: World) -> None:
    """Until the gate is open only verbs pass that need no state; at its deadline a request gets a sentence."""
    gate = Gate()
    driver = gate.before(world.driver)
    assert driver.get_capabilities() == world.driver.get_capabilities()
    with pytest.raises(Busy, match="still bringing the host in line"), deadline(0.05):
        driver.create_network(rq.network())
    gate.open()
    driver.create_network(rq.network())
    driver.delete_network(NetworkRef(rq.NETWORK_ID))
