"""The form of log lines for the engine's log."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from cli.server.logs import configure


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Logging is afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.contextvars.clear_contextvars()  # a request that another test served in this thread
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_the_engine_gets_plain_lines_in_two_streams(capsys: pytest.CaptureFixture[str]) -> None:
    """The engine's log gets plain lines without time: information on standard output, errors on standard error."""
    configure("info", "engine")
    log = structlog.get_logger("pynet")
    log.debug("not shown")
    log.info("served", ms=3.2, chain="ip filter", network="d2a5dd8bf041", verb="NetworkDriver.Join")
    log.warning("link not deleted", link="pnh1")
    logging.getLogger("gunicorn.error").error("Worker (pid:%s) was sent SIGKILL!", 7)
    out, errors = capsys.readouterr()

    assert out == "served verb=NetworkDriver.Join network=d2a5dd8bf041 ms=3.2 chain='ip filter'\n"
    assert errors == "link not deleted link=pnh1\nWorker (pid:7) was sent SIGKILL!\n"


def test_a_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The traceback of a defect follows its line instead of being folded into it."""
    configure("info", "engine")
    structlog.get_logger("pynet").error("refused", exc_info=KeyError("x"))

    assert capsys.readouterr().err == "refused\nKeyError: 'x'\n"


def test_json_keys_have_one_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level and event come first, ids next, whatever the order in the code."""
    configure("info", "json")
    structlog.get_logger("pynet").info("endpoint removed", ms=3.2, network="d2a5", verb="NetworkDriver.DeleteEndpoint")

    assert list(json.loads(capsys.readouterr().err)) == ["timestamp", "level", "event", "verb", "network", "ms"]
