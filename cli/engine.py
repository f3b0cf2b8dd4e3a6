"""What the engine can say about names. Nobody depends on it: without an answer there are none."""

import http.client
import json
import os
from typing import Any

from cli.unix_http import UnixConnection

SOCKET = "/run/docker.sock"
PATIENCE = 2.0  # seconds


def endpoint_names() -> dict[str, tuple[str, str]]:
    """Return the names of network and container by endpoint id; empty when the engine does not answer."""
    try:
        networks = _get("/networks")
        details = [_get(f"/networks/{network['Id']}") for network in networks]
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return {
        container["EndpointID"]: (network["Name"], container["Name"])
        for network in details
        for container in (network.get("Containers") or {}).values()
    }


def _get(path: str) -> Any:
    address = os.environ.get("DOCKER_HOST", "")
    socket_path = address.removeprefix("unix://") if address.startswith("unix://") else SOCKET
    connection = UnixConnection(socket_path, PATIENCE)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
