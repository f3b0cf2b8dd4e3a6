"""Writes log lines to the journal of systemd, with their level as priority and their facts as fields.

The protocol is a datagram of fields (systemd.io/JOURNAL_NATIVE_PROTOCOL); systemd-journald sets $JOURNAL_STREAM to the
device and inode of the standard error that it reads (systemd.exec(5)).
"""

import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOCKET = Path("/run/systemd/journal/socket")
_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}  # syslog(3)


def is_read_by_journal(environment: Mapping[str, str], descriptor: int = 2, path: Path = SOCKET) -> bool:
    """Return whether the journal reads the stream, and takes fields too."""
    try:
        stream = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}" and path.is_socket()


def datagram(message: str, priority: int, facts: Mapping[str, Any]) -> bytes:
    """Return a line as the journal takes it; a fact "network" is the field PYNET_NETWORK."""
    fields = {"MESSAGE": message, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": "pynet"}
    fields |= {f"PYNET_{key.upper()}": str(value) for key, value in facts.items()}
    return b"".join(_field(key, text.encode(errors="replace")) for key, text in fields.items())


def _field(key: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return f"{key}=".encode() + value + b"\n"
    return f"{key}\n".encode() + len(value).to_bytes(8, "little") + value + b"\n"


def _first_value(line: bytes) -> bytes:
    head, _, rest = line.partition(b"\n")
    _, separator, value = head.partition(b"=")
    return value if separator else rest[8 : 8 + int.from_bytes(rest[:8], "little")]


class JournalHandler(logging.Handler):
    """Sends what the formatter returns, a datagram in the characters of Latin 1.

    A line that the journal does not take, as a very long one, goes to standard error, with its priority in front.
    """

    def __init__(self, path: Path = SOCKET) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line."""
        try:
            line = self.format(record)
            self._socket.sendto(line.encode("latin-1"), str(self._path))
        except OSError:
            message = _first_value(line.encode("latin-1")).decode(errors="replace")
            print(f"<{priority(record.levelno)}>{message}", file=sys.stderr, flush=True)  # noqa: T201
        except Exception:  # noqa: BLE001 - as every handler of logging: a line that cannot be written stops nothing
            self.handleError(record)


def priority(level: int) -> int:
    """Return the priority of syslog for a level of Python's logging."""
    return _PRIORITIES.get(level, 5)
