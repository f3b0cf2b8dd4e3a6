"""A verb is a row: how to read its request, what to call, how to write its reply."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.schemas.objects import Message
from handlers.schemas.replies import Reply
from plugin.errors import Busy


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of a table.

    ``request`` is None where the engine sends no body, ``reply`` None where nothing but ``{}`` is answered. ``call`` is
    the method of the protocol; it names the one to call. ``quiet`` verbs change nothing, never wait, and are logged at
    debug level. ``most`` is how many requests of a verb are carried out at the same time, if it has a limit.
    """

    request: type[Message] | None
    call: Callable[..., Any]
    reply: type[Reply] | None = None
    quiet: bool = False
    most: int | None = None


class Bound:
    """A verb with its schemas made once, and the object that serves it."""

    def __init__(self, name: str, verb: Verb, subject: object) -> None:
        self.name = name
        self.quiet = verb.quiet
        self._call: Callable[..., Any] = getattr(subject, verb.call.__name__)
        self.request = verb.request() if verb.request else None
        self._reply = verb.reply() if verb.reply else None
        self._most = verb.most
        self._room = None if verb.most is None else threading.BoundedSemaphore(verb.most)

    def begin(self, body: Any) -> Callable[[], Any]:
        """Return what serves ``body``, to be called once.

        Raises:
            Busy: as many as there may be are being served.
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
        """Load, call, dump."""
        arguments = [] if self.request is None else [self.request.build(self.request.load(body))]
        result = self._call(*arguments)
        return {} if self._reply is None else self._reply.dump(result)


def bind(subsystem: str, verbs: Mapping[str, Verb], subject: object) -> dict[str, Bound]:
    """Return the verbs of a subsystem by their path, "NetworkDriver.Join"."""
    return {f"{subsystem}.{name}": Bound(f"{subsystem}.{name}", verb, subject) for name, verb in verbs.items()}
