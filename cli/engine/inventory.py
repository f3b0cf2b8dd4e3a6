"""The networks and containers of the engine, those that do not run too: what the words of commands can name."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from cli.engine.api import UNREADABLE, Engine, engine_socket
from plugin.engine.names import Known

_TRIES, _PAUSE = 4, 0.2  # 20.10 refuses to list containers while it removes one of them
_RUNNING = ("running", "paused")


@dataclass(frozen=True, slots=True)
class ListedContainer:
    """A container: its endpoints by the ids of their networks, "" while it does not run.

    ``shares`` is the id of the container whose network it has (``--network container:NAME``), or "".
    """

    id: str
    name: str
    runs: bool
    endpoints: Mapping[str, str] = field(default_factory=dict)
    shares: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Names of networks by id, and containers; ``answers`` is whether the engine told them."""

    networks: Mapping[str, str] = field(default_factory=dict)
    containers: Sequence[ListedContainer] = ()
    answers: bool = True

    @property
    def known(self) -> Known:
        """The names of networks, and of containers by endpoint."""
        pairs = ((end, one.name) for one in self.containers for end in one.endpoints.values() if end)
        return Known(self.networks, dict(pairs))


def inventory(engine: Engine | None = None, pause: float = _PAUSE) -> Inventory:
    """Return what the engine has, by two questions; nothing if it does not answer. ``pause`` is in seconds."""
    with closing(engine or Engine(engine_socket())) as asked:
        for left in reversed(range(_TRIES)):
            try:
                networks = {str(one["Id"]): str(one["Name"]) for one in asked.get("/networks")}
                return Inventory(networks, [_container(one) for one in asked.get("/containers/json?all=1")])
            except OSError:
                break
            except UNREADABLE:
                time.sleep(pause if left else 0)
    return Inventory(answers=False)


def _container(told: Mapping[str, Any]) -> ListedContainer:
    joined = ((told.get("NetworkSettings") or {}).get("Networks") or {}).values()
    ends = {str(end["NetworkID"]): str(end.get("EndpointID") or "") for end in joined if end.get("NetworkID")}
    mode = str((told.get("HostConfig") or {}).get("NetworkMode") or "")
    shares = mode.removeprefix("container:") if mode.startswith("container:") else ""
    return ListedContainer(str(told["Id"]), _name(told["Names"]), told.get("State") in _RUNNING, ends, shares)


def _name(names: Sequence[str]) -> str:
    """Return the container's own name: those with a second slash are aliases in other containers (``--link``)."""
    own = (name.removeprefix("/") for name in names or ())
    return next((name for name in own if "/" not in name), "")
