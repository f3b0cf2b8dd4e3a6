"""The engine's HTTP API over its unix socket, one kept connection."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from tests.settling import SLOWNESS


class Refused(AssertionError):
    """The engine answered with a status of 400 or more."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float = 60 * SLOWNESS) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Api:
    """Calls of the Engine API; paths carry no version, so the engine's newest is spoken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = UnixConnection(path)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make one call and return its decoded answer.

        Raises:
            Refused: the status is 400 or more.
            OSError: nobody answers.
        """
        payload = None if body is None else json.dumps(body)
        headers = {} if payload is None else {"Content-Type": "application/json"}
        try:
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()  # the next call opens a new one
            raise
        if response.status >= 400:
            raise Refused(f"{method} {path}: {response.status} {answer.decode(errors='replace').strip()}")
        if not answer.strip() or not answer.lstrip().startswith((b"{", b"[")):
            return None
        return json.loads(answer)

    def answers(self) -> bool:
        """Whether the engine serves requests."""
        try:
            self.call("GET", "/_ping")
        except (OSError, http.client.HTTPException, Refused):
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
