"""Asks the engine for containers, for commands that show what ``docker`` does not know: the ports of pynet."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from cli.engine.api import UNREADABLE, Engine, engine_socket
from netlink.errors import reason
from plugin.errors import Failed, NotFound
from plugin.options.pool import SharedPoolSettings

Filters = Mapping[str, Sequence[str]]  # as of the Engine API


@dataclass(frozen=True, slots=True)
class EngineContainer:
    """A container: its endpoints, and the ports that the engine itself publishes, by "80/tcp".

    ``networks`` has the ids of its networks and of its endpoints there, by the names of the networks; ``process`` is
    its first process, 0 while it does not run.
    """

    name: str
    endpoints: frozenset[str]
    ports: Mapping[str, Sequence[tuple[str, int]]]
    networks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    process: int = 0


@dataclass(frozen=True, slots=True)
class EngineNetwork:
    """A network, with the MACs of its running containers by their ids, and the name that hosts share it by, or ""."""

    id: str
    name: str
    macs: Mapping[str, str]
    shared_as: str = ""


def containers(filters: Filters, *, stopped: bool) -> list[dict[str, Any]]:
    """Return containers as the Engine API lists them.

    Raises:
        Failed: the engine does not answer, or refuses the filters.
    """
    query = urlencode({"all": int(stopped), "filters": json.dumps(filters)})
    found: list[dict[str, Any]] = _asked(f"/containers/json?{query}")
    return found


def container(name: str) -> EngineContainer:
    """Return a container by its name or the beginning of its id.

    Raises:
        NotFound: there is none.
        Failed: the engine does not answer.
    """
    found = _asked(f"/containers/{quote(name, safe='')}/json")
    if found is None:
        raise NotFound(f"No such container: {name}")  # the words of the engine
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    ports = (found.get("NetworkSettings") or {}).get("Ports") or {}
    published = {key: [(one["HostIp"], int(one["HostPort"])) for one in places or ()] for key, places in ports.items()}
    endpoints = frozenset(str(end["EndpointID"]) for end in networks.values() if end.get("EndpointID"))
    joined = {name: (str(end.get("NetworkID", "")), str(end.get("EndpointID", ""))) for name, end in networks.items()}
    process = int((found.get("State") or {}).get("Pid") or 0)
    return EngineContainer(str(found["Name"]).removeprefix("/"), endpoints, published, joined, process)


def network(name: str) -> EngineNetwork:
    """Return a network by its name or the beginning of its id; raises as ``container``."""
    found = _asked(f"/networks/{quote(name, safe='')}")
    if found is None:
        raise NotFound(f"network {name} not found")  # the words of the engine
    containers = (found.get("Containers") or {}).items()
    macs = {key: str(one["MacAddress"]) for key, one in containers}
    shared_as = str((found.get("Options") or {}).get(SharedPoolSettings.network.key, ""))
    return EngineNetwork(str(found["Id"]), str(found["Name"]), macs, shared_as)


def _asked(path: str) -> Any:
    try:
        with closing(Engine(engine_socket())) as engine:
            return engine.get(path)
    except OSError as error:
        raise Failed(f"ask the engine at '{engine_socket()}': {reason(error)}") from error
    except UNREADABLE as error:
        raise Failed(f"ask the engine at '{engine_socket()}': {error}") from error
