"""The form of log lines for the engine's log."""

import json
import logging

import pytest
import structlog
from gunicorn.config import Config

from cli.server.first_line import FirstLine
from cli.server.logs import configure, use_names
from cli.server.worker import gunicorn_logger
from plugin.engine.names import Known, Names


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


NETWORK, ENDPOINT = "a1" * 32, "e0" * 32
IDS = {"network": NETWORK[:12], "endpoint": ENDPOINT[:12]}


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    """Return the lines since the last time, without their times."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [{key: value for key, value in line.items() if key not in ("timestamp", "level")} for line in lines]


def test_lines_have_the_names_that_the_engine_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Names come before ids, and take the place of ids in sentences; without a name the id stays."""
    configure("info", "json")
    names = Names(lambda: Known({NETWORK: "blue"}, {ENDPOINT: "web"}))
    names.expect()
    names.look()
    use_names(names)
    log = structlog.get_logger("pynet")
    log.info("endpoint removed", **IDS)
    log.warning("refused", error="overlaps network 'a1a1a1a1a1a1', held by endpoint 'e0e0e0e0e0e0', not 'b1b1b1b1b1b1'")

    removed, refused = events(capsys)
    assert list(removed.items()) == [
        ("event", "endpoint removed"), ("network_name", "blue"), ("container", "web"), *IDS.items()
    ]  # fmt: skip
    assert refused["error"] == "overlaps network 'blue', held by container 'web', not 'b1b1b1b1b1b1'"


def test_a_line_about_something_new_waits_for_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """The engine tells a name when the container runs; the line comes without a name if need be."""
    configure("info", "json")
    answers: list[Known | None] = [Known(), Known({NETWORK: "blue"}, {ENDPOINT: "web"}), None]
    names = Names(lambda: answers.pop(0))
    names.expect()
    names.look()
    use_names(names)
    log = structlog.get_logger("pynet")
    log.info("endpoint created", **IDS)
    assert events(capsys) == []
    names.look()
    assert events(capsys) == [{"event": "endpoint created", "network_name": "blue", "container": "web", **IDS}]
    log.info("endpoint created", network=NETWORK[:12], endpoint="f" * 12)
    names.look()  # no answer
    log.info("network created", network="f" * 12)
    assert [line["event"] for line in events(capsys)] == ["endpoint created", "network created"]


def test_gunicorn_speaks_in_words_of_pynet_and_says_no_more_than_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """At level debug gunicorn would print its whole configuration, and its parent has the form of all other lines."""
    logging.basicConfig(level=logging.WARNING, handlers=[FirstLine("debug", "json")], force=True)
    logger = gunicorn_logger()(Config())
    logger.debug("Current configuration:\n  %s", "config: ./gunicorn.conf.py")
    logger.info("Booting worker with pid: %s", 7)
    logger.critical("WORKER TIMEOUT (pid:%s)", 7)
    logger.error("Worker (pid:%s) was sent %s! Perhaps out of memory?", 7, "SIGKILL")
    logger.warning("Ignoring %s", "x")

    assert [line["event"] for line in events(capsys)] == [
        "the serving process 7 does not answer and is ended",
        "the serving process 7 was ended by SIGKILL: perhaps for memory",
        "Ignoring x",
    ]
