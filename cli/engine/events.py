"""Tells ``plugin.engine.endpoint_names`` what the Docker Engine reports: its stream of events, and single containers.

Docker's API: GET /events, with filters by type and action; the connection stays open and brings one JSON object a line.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from cli.engine.api import UNREADABLE, Engine
from cli.engine.event_stream import EventStream
from plugin.engine.endpoint_names import EndpointName, EngineEvent, EngineSilent

T = TypeVar("T")
ACTIONS = ("connect", "disconnect", "start", "die", "rename", "create", "destroy")
FILTERS = {"type": ["container", "network"], "event": ACTIONS}
SHORT = 12  # digits of the id that the engine gives a container as an alias


class EventfulEngine:
    """A ``NamingEngine``: two connections to the engine's socket, one of them for the events."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        self._engine = Engine(path)
        self._events: EventStream | None = None

    def follow(self) -> Iterator[EngineEvent]:
        """Connect, and return the events from now on; those of an earlier connection end."""
        self._end_events()
        try:
            self._events = EventStream(self._path, urlencode({"filters": json.dumps(FILTERS)}))
        except UNREADABLE as error:
            raise EngineSilent from error
        return _events(self._events)

    def close(self) -> None:
        """Close the connections; a thread that waits for an event finds its own at an end."""
        self._end_events()
        self._engine.close()

    def _end_events(self) -> None:
        events, self._events = self._events, None
        if events:
            events.close()

    def networks(self) -> Mapping[str, str]:
        """List the networks."""
        return self._read("/networks", lambda found: {str(one["Id"]): str(one["Name"]) for one in found})

    def running(self) -> Mapping[str, Sequence[str]]:
        """List the containers that run."""
        return self._read("/containers/json", lambda found: {str(one["Id"]): _networks(one) for one in found})

    def joined(self, container: str) -> Sequence[str]:
        """Ask the list, which the engine gives without the lock of a container that starts."""
        query = urlencode({"filters": json.dumps({"id": [container]})})
        return self._read(f"/containers/json?{query}", lambda found: [*chain.from_iterable(map(_networks, found))])

    def container(self, container: str) -> Sequence[EndpointName]:
        """Inspect a container; the engine answers when it has started."""
        path = f"/containers/{quote(container, safe='')}/json"
        return self._read(path, lambda found: endpoint_names(found) if found else ())

    def _read(self, path: str, read: Callable[[Any], T]) -> T:
        try:
            return read(self._engine.get(path))
        except UNREADABLE as error:
            self._engine.close()
            raise EngineSilent from error


def endpoint_names(container: Mapping[str, Any]) -> Sequence[EndpointName]:
    """Return the endpoints of a container as the engine describes it.

    The engine resolves what ``Aliases`` lists up to 25, and ``DNSNames`` since 26 (moby api/types/network).
    """
    identity, own = str(container["Id"]), str(container["Name"]).removeprefix("/")
    told = []
    for end in ((container.get("NetworkSettings") or {}).get("Networks") or {}).values():
        if end.get("EndpointID"):
            others = [*(end.get("DNSNames") or ()), *(end.get("Aliases") or ()), identity[:SHORT]]
            names = dict.fromkeys(str(name).lower() for name in (own, *others) if name)
            where = str(end["NetworkID"]), str(end["EndpointID"])
            addresses = tuple(ip_address(end[key]) for key in ("IPAddress", "GlobalIPv6Address") if end.get(key))
            told.append(EndpointName(identity, *where, tuple(names), addresses))
    return told


def _events(stream: EventStream) -> Iterator[EngineEvent]:
    """Yield events until the connection ends."""
    try:
        for line in stream:
            if event := _event(json.loads(line)):
                yield event
    except UNREADABLE as error:
        raise EngineSilent from error


def _event(told: Mapping[str, Any]) -> EngineEvent | None:
    actor, action = told.get("Actor") or {}, str(told.get("Action"))
    if told.get("Type") == "network":
        facts = actor.get("Attributes") or {}
        return EngineEvent(action, str(facts.get("container", "")), str(actor.get("ID")), str(facts.get("name", "")))
    return EngineEvent(action, str(actor.get("ID"))) if action not in {"create", "destroy"} else None


def _networks(container: Mapping[str, Any]) -> Sequence[str]:
    ends = ((container.get("NetworkSettings") or {}).get("Networks") or {}).values()
    return [str(end.get("NetworkID", "")) for end in ends]
