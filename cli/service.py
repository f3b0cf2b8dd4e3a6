"""Asking the pynet that serves, on its own socket, by the verbs of ``handlers/service.py``."""

import http.client
import json
from pathlib import Path
from typing import Any

from cli.unix_http import UnixConnection
from plugin.errors import Failed

PATIENCE = 30.0  # seconds; a repair may wait for a request that holds a network's lock


def ask(socket: Path, verb: str) -> dict[str, Any]:
    """Return the reply to ``Pynet.VERB``.

    Raises:
        Failed: nobody serves there, or the answer is an error.
    """
    connection = UnixConnection(str(socket), PATIENCE)
    try:
        connection.request("POST", f"/Pynet.{verb}")
        answer = connection.getresponse()
        reply: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failed(f"ask the pynet that serves '{socket}': {str(error) or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"ask the pynet that serves '{socket}': {reply.get('Err', answer.reason)}")
    return reply


def serves(socket: Path) -> bool:
    """Say whether a process accepts connections on the socket."""
    connection = UnixConnection(str(socket), PATIENCE)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True
