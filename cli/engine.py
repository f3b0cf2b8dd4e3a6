"""What the engine can say about names. Nobody depends on it: without an answer there are none."""

import http.client
import json
import os
import socket
from typing import Any

SOCKET = "/run/docker.sock"
PATIENCE = 2.0  # seconds


class _Connection(http.client.HTTPConnection):
    """HTTP over the unix socket of the engine."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


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
    connection = _Connection(address.removeprefix("unix://") if address.startswith("unix://") else SOCKET)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
