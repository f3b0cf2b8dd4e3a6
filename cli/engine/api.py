"""Asks the Docker Engine: names for ``pynet ports``, and what it still knows for ``plugin.removal.garbage``.

Nothing depends on an answer. The engine is never asked while a request is served: it holds locks then for which its own
API waits (claymore666/docker-net-dhcp issue 23). While it starts, its socket accepts calls that nobody answers.
"""

import http.client
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, suppress
from ipaddress import ip_network
from itertools import chain
from pathlib import Path
from typing import Any

from cli.engine.unix_http import UnixConnection
from plugin.engine.names import Known
from plugin.protocol.messages import Subnet
from plugin.removal.garbage import EngineView

SOCKET = "/run/docker.sock"
PATIENCE = 2.0  # seconds for one answer
LONGEST = 20.0  # seconds for all answers together
ADDRESSES = ("IPv4Address", "IPv6Address")  # of an endpoint, with the length of the subnet
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, http.client.HTTPException)  # no good answer
OWN_ADDRESSES = ("default", "null")  # the engine's own address managers


class Engine:
    """A client of the Engine API that keeps its connection. It belongs to one thread."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        self._connection: UnixConnection | None = None
        self._run = 0

    def get(self, path: str) -> Any:
        """Return the answer, decoded; None for 404.

        Raises:
            OSError, ValueError, http.client.HTTPException: there is no answer, or it cannot be read.
        """
        connection = self._connection or self._connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except BaseException:
            self.close()
            raise
        if response.status == http.client.NOT_FOUND:
            return None
        if response.status != http.client.OK:
            raise ValueError(f"GET {path}: status {response.status}")
        return json.loads(body)

    def view(self, networks: Collection[str]) -> EngineView | None:
        """Return what the engine knows, with the endpoints of ``networks``; None when it does not answer."""
        until = time.monotonic() + LONGEST
        try:
            identity = str(self.get("/info")["ID"])
            listed = {str(network["Id"]): network for network in self.get("/networks")}
            foreign = {network: pools for network, told in listed.items() if (pools := _foreign_pools(told))}
            endpoints: set[str] = set()
            addresses = {address for network in foreign for address in _configured_addresses(listed[network])}
            for network in {*networks, *foreign} & set(listed):
                if time.monotonic() > until:
                    return None
                for entry in ((self.get(f"/networks/{network}") or {}).get("Containers") or {}).values():
                    endpoints |= {str(entry["EndpointID"])} if network in networks else set()
                    addresses |= {str(entry.get(key) or "").partition("/")[0] for key in ADDRESSES}
        except UNREADABLE:
            self.close()
            return None
        here = [pools for network, pools in foreign.items() if listed[network].get("Scope") == "local"]
        every, counted = (frozenset(chain.from_iterable(some)) for some in (foreign.values(), here))
        return EngineView(
            self._run, identity, frozenset(listed), frozenset(endpoints), every, counted, frozenset(addresses)
        )

    def names(self) -> Known | None:
        """Return the names of networks, and of containers that run; None when the engine does not answer."""
        try:
            networks = _names(self.get("/networks"))
            running = [
                (end.get("EndpointID"), str(container["Names"][0]).removeprefix("/"))
                for container in self.get("/containers/json")
                for end in ((container.get("NetworkSettings") or {}).get("Networks") or {}).values()
            ]
        except UNREADABLE:
            return None
        finally:
            self.close()
        return Known(networks, {str(endpoint): name for endpoint, name in running if endpoint})

    def close(self) -> None:
        """Close the connection; the next one counts as another run of the engine."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> UnixConnection:
        connection = UnixConnection(self._path, PATIENCE)
        connection.auto_open = 0  # opened once, and never anew behind the caller's back
        connection.connect()
        self._run += 1
        self._connection = connection
        return connection


def _foreign_pools(network: dict[str, Any]) -> list[str]:
    """Return the subnets that a network got from an address manager that is not the engine's own."""
    ipam = network.get("IPAM") or {}
    if ipam.get("Driver") in OWN_ADDRESSES:
        return []
    # The engine lists a subnet as the user typed it.
    subnets = (entry.get("Subnet") for entry in ipam.get("Config") or ())
    return [str(ip_network(subnet, strict=False)) for subnet in subnets if subnet]


def _configured_addresses(network: dict[str, Any]) -> Iterator[str]:
    """Yield the gateways and auxiliary addresses of a network, which belong to no endpoint."""
    for entry in (network.get("IPAM") or {}).get("Config") or ():
        configured = [entry.get("Gateway"), *(entry.get("AuxiliaryAddresses") or {}).values()]
        yield from (str(address).partition("/")[0] for address in configured if address)


def engine_socket() -> str:
    """Return the path of the engine's socket: the one in DOCKER_HOST, or the usual one."""
    address = os.environ.get("DOCKER_HOST", "")
    return address.removeprefix("unix://") if address.startswith("unix://") else SOCKET


def version_and_subnets() -> tuple[str, tuple[tuple[str, Subnet], ...]]:
    """Return the version of the engine, and the subnets of its networks by name; nothing when it does not answer."""
    with suppress(*UNREADABLE), closing(Engine(engine_socket())) as engine:
        version = str(engine.get("/version")["Version"])
        configured = [
            (network["Name"], entry["Subnet"])
            for network in engine.get("/networks")
            for entry in network["IPAM"].get("Config") or ()
            if entry.get("Subnet")
        ]
        return version, tuple((name, ip_network(subnet, strict=False)) for name, subnet in configured)
    return "", ()


def version_and_names(engine: Engine | None = None) -> tuple[str, dict[str, str]]:
    """Return the version of the engine, and the names of its networks by id; nothing when it does not answer."""
    with suppress(*UNREADABLE), closing(engine or Engine(engine_socket())) as asked:
        return str(asked.get("/version")["Version"]), _names(asked.get("/networks"))
    return "", {}


def known_names() -> Known:
    """Return the names of networks and of containers that run; none when the engine does not answer."""
    return Engine(engine_socket()).names() or Known()


def _names(networks: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {str(network["Id"]): str(network["Name"]) for network in networks}
