"""When a start fails, answers the calls that wait in the socket of the service manager before the process ends.

A call that nobody takes stays in that socket and starts pynet again and again, until systemd gives up the socket. Then
calls fail with "no such file", and not even a corrected setting helps. A call that is answered is gone, and its caller
learns what is wrong.
"""

import http.client
import select
import socket
import time
from contextlib import suppress

from cli.server.worker import refuse

LINGER = 2.0  # seconds for the next call: an engine that starts has many
LONGEST = 20.0  # seconds; gunicorn kills a worker whose start takes longer than 30 s
CALLER = 1.0  # seconds for a caller to send its request


def refuse_calls(listener: socket.socket, sentence: str, first: float, linger: float = LINGER) -> None:
    """Answer every call with ``sentence``, for ``first`` seconds and then until none has come for ``linger``."""
    until, patience = time.monotonic() + LONGEST, first
    while time.monotonic() < until and select.select([listener], [], [], patience)[0]:
        with suppress(OSError, ValueError, http.client.HTTPException):  # the caller has hung up, or does not speak HTTP
            caller, _ = listener.accept()
            with caller:
                caller.settimeout(CALLER)
                _take(caller)
                refuse(caller, 500, f"pynet does not serve: {sentence}")
        patience = linger


def _take(caller: socket.socket) -> None:
    """Read the whole request: a caller that is still sending does not read the answer."""
    with caller.makefile("rb") as sent:
        sent.readline()
        sent.read(int(http.client.parse_headers(sent).get("Content-Length", "0")))
