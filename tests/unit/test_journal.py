"""Lines of the log for the journal of systemd: a datagram with a priority and fields."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from cli.server import logs
from cli.server.journal import is_read_by_journal


class Journal:
    """The socket of a journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def read(self) -> dict[str, str]:
        """Return the fields of the next line, read as the protocol says."""
        data, found = self._socket.recv(1 << 20), {}
        while data:
            head, _, data = data.partition(b"\n")
            key, separator, value = head.partition(b"=")
            if not separator:
                size = int.from_bytes(data[:8], "little")
                value, data = data[8 : 8 + size], data[9 + size :]
            found[key.decode()] = value.decode()
        return found


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Journal]:
    """A journal, to which everything is logged."""
    daemon = Journal(tmp_path / "socket")
    logs.configure("debug", "journal", daemon.path)
    yield daemon
    daemon.close()
    for handler in logging.getLogger().handlers:
        handler.close()


def test_a_line_has_a_priority_and_fields(daemon: Journal) -> None:
    """``journalctl -p warning`` and ``journalctl PYNET_NETWORK=...`` find it; the message is for people."""
    structlog.get_logger("pynet").warning("link not deleted", network="d2a5dd8bf041", link="pnh1")
    found = daemon.read()

    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"], found["PYNET_EVENT"]) == ("4", "pynet", "link not deleted")
    assert (found["PYNET_NETWORK"], found["PYNET_LINK"]) == ("d2a5dd8bf041", "pnh1")
    assert found["MESSAGE"] == "link not deleted network=d2a5dd8bf041 link=pnh1"


def test_a_traceback_is_in_the_message_and_libraries_have_priorities(daemon: Journal) -> None:
    """A value of several lines has its length in front, and any logger's line is a line of pynet."""
    structlog.get_logger("pynet").error("refused", exc_info=KeyError("x"))
    logging.getLogger("other").info("a %s", "word")

    assert daemon.read()["MESSAGE"] == "refused\nKeyError: 'x'"
    assert {"MESSAGE": "a word", "PRIORITY": "6"}.items() <= daemon.read().items()


def test_a_line_that_the_journal_does_not_take_is_on_standard_error(
    daemon: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too long for a datagram, or nobody reads: the line has its priority in front, which the journal understands."""
    structlog.get_logger("pynet").error("refused", error="x" * (1 << 20))
    daemon.close()
    structlog.get_logger("pynet").warning("slow")
    structlog.get_logger("pynet").error("refused", exc_info=KeyError("x"))

    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("<3>refused error=xxx")
    assert others == ["<4>slow", "<3>refused", "KeyError: 'x'"]


def test_the_journal_is_known_by_its_stream(tmp_path: Path) -> None:
    """A variable that is inherited from a service, with another standard error, means nothing."""
    there = Journal(tmp_path / "socket")
    with (tmp_path / "log").open("w") as file:
        stream = os.fstat(file.fileno())
        own, other = f"{stream.st_dev}:{stream.st_ino}", f"{stream.st_dev}:1"
        asked = [is_read_by_journal({"JOURNAL_STREAM": text}, file.fileno(), there.path) for text in (own, other, "")]
        without = is_read_by_journal({"JOURNAL_STREAM": own}, file.fileno(), tmp_path / "none")
    there.close()

    assert (asked, without) == ([True, False, False], False)
