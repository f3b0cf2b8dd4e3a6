"""A verb is a row of a table: the schema of its request, the method to call, the schema of its reply."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema

from handlers.schemas.objects import Message
from netlink.values import dataclass
from plugin.errors import Busy


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of a table.

    ``request`` is None where the engine sends no body, ``reply`` is None where the answer is ``{}``. ``call`` is the
    method of the protocol; the method of the same name is called. ``quiet`` verbs change nothing, never wait, and are
    logged at debug level. ``most`` limits how many requests of a verb are carried out at the same time. ``event`` is
    the line of the log about a request that was served; without one it is for debugging only.
    """

    request: type[Message] | None
    call: Callable[..., Any]
    reply: type[Schema] | None = None
    quiet: bool = False
    most: int | None = None
    event: str = ""


class Bound:
    """A verb together with the object that serves it; its schemas are made once."""

    def __init__(self, name: str, verb: Verb, subject: object) -> None:
        self.name = name
        self.quiet = verb.quiet
        self.event = verb.event
        self._call: Callable[..., Any] = getattr(subject, verb.call.__name__)
        self.request = verb.request() if verb.request else None
        self._reply = verb.reply() if verb.reply else None
        self._most = verb.most
        self._room = None if verb.most is None else threading.BoundedSemaphore(verb.most)

    def begin(self, body: Any) -> Callable[[], Any]:
        """Return a function that serves ``body``; it must be called once.

        Raises:
            Busy: the limit of this verb is reached.
        """
        room = self._room
        if room is None:
            return lambda: self.serve(body)
        if not room.acquire(blocking=False):
            raise Busy(f"{self.name} is busy: it is carried out {self._most} at a time at most, ask again in a moment")

        def serve() -> Any:
            try:
                return self.serve(body)
            finally:
                room.release()

        return serve

    def serve(self, body: Any) -> Any:
        """Read the request, call the method, and return the reply as JSON's types."""
        arguments = [] if self.request is None else [self.request.build(self.request.load(body))]
        result = self._call(*arguments)
        return {} if self._reply is None else self._reply.dump(result)


def bind(subsystem: str, verbs: Mapping[str, Verb], subject: object) -> dict[str, Bound]:
    """Return the verbs of a subsystem by their path, "NetworkDriver.Join"."""
    return {f"{subsystem}.{name}": Bound(f"{subsystem}.{name}", verb, subject) for name, verb in verbs.items()}
