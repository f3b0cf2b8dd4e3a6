"""Sends one of pynet's own verbs (``handlers/service.py``) to the running pynet, over its socket."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.engine.unix_http import UnixConnection
from cli.systemd_unit import how_to_start
from plugin.errors import Failed, PynetError, Unprivileged

PATIENCE = 30.0  # seconds; a repair may wait for a request that holds a network's lock
QUICK = 5.0  # seconds for a verb that waits for nothing; while pynet starts it answers after its recovery


class NotServing(Failed):
    """Nobody listens on the socket, or there is none."""


class NotAllowed(Unprivileged):
    """The socket exists, and this user may not use it."""


class NoAnswer(Failed):
    """A process listens and did not answer in time: it hangs, or it is still bringing the host in line."""


def ask(socket: Path, verb: str, patience: float = PATIENCE, body: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the reply to ``Pynet.VERB``, which has ``patience`` seconds.

    Raises:
        NotServing, NotAllowed, NoAnswer: see these classes.
        Failed: the reply is an error, or cannot be read.
    """
    connection = UnixConnection(str(socket), patience)
    try:
        connection.request("POST", f"/Pynet.{verb}", json.dumps(body) if body else None)
        answer = connection.getresponse()
        reply: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _why(socket, error, patience) from error
    finally:
        connection.close()
    if answer.status == http.client.NOT_FOUND:
        raise Failed(f"ask the pynet that serves '{socket}': it is older than this command; restart it")
    if answer.status != http.client.OK:
        raise Failed(f"ask the pynet that serves '{socket}': {reply.get('Err', answer.reason)}")
    return reply


def _why(socket: Path, error: Exception, patience: float) -> PynetError:
    match error:
        case FileNotFoundError() | ConnectionRefusedError() | NotADirectoryError():
            return NotServing(f"no pynet serves '{socket}'; {how_to_start()}")
        case PermissionError():
            return NotAllowed(f"ask the pynet that serves '{socket}': permission denied; run it as root")
        case TimeoutError() | BlockingIOError():  # BlockingIOError: the queue of the socket is full
            return NoAnswer(
                f"ask the pynet that serves '{socket}': it accepts calls and did not answer within {patience:g} s: it "
                "hangs, or it is still bringing the host in line after its start"
            )
        case _:
            return Failed(f"ask the pynet that serves '{socket}': {str(error) or type(error).__name__}")
