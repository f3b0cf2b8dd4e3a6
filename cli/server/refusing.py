"""A start that fails answers the calls that wait in the socket of the service manager, before the process ends.

A call that nobody takes stays in that socket, and starts pynet again and again until systemd gives the socket up: then
calls fail with "no such file", and not even a mended setting helps. A call that is answered is gone, and its caller
reads what is wrong.
"""

import http.client
import select
import socket
import time
from contextlib import suppress

from cli.server.worker import refuse

LINGER = 2.0  # seconds for the next call: an engine that starts has many
LONGEST = 20.0  # seconds; gunicorn takes a worker that is longer in its start for one that hangs
CALLER = 1.0  # seconds for a caller to send what it wants


def refuse_calls(listener: socket.socket, sentence: str, first: float, linger: float = LINGER) -> None:
    """Answer every call with ``sentence``, for ``first`` seconds and then until none has come for ``linger``."""
    until, patience = time.monotonic() + LONGEST, first
    while time.monotonic() < until and select.select([listener], [], [], patience)[0]:
        with suppress(OSError, ValueError, http.client.HTTPException):  # a caller that went, or speaks something else
            caller, _ = listener.accept()
            with caller:
                caller.settimeout(CALLER)
                _take(caller)
                refuse(caller, 500, f"pynet does not serve: {sentence}")
        patience = linger


def _take(caller: socket.socket) -> None:
    """Read the whole request, as one who still sends does not see the answer."""
    with caller.makefile("rb") as sent:
        sent.readline()
        sent.read(int(http.client.parse_headers(sent).get("Content-Length", "0")))
