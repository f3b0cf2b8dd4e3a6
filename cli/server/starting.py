"""Answers calls while pynet starts. To load the program takes half a second, and the records of a large host another.

The engine asks Plugin.Activate under a lock, and gives a managed plugin half a second to accept. So the first call is
answered at once, if nothing can be seen that keeps pynet from serving. All others wait until the application is there.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from handlers.activation import ACTIVATE, IMPLEMENTS, MEDIA_TYPE

log = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds for a call; the engine's client waits for 30
THREAD = "start"
Respond = Callable[[str, list[tuple[str, str]]], object]


class Starting:
    """The WSGI application of the worker.

    ``check`` looks at what usually keeps pynet from serving; then an engine may activate pynet. ``load`` builds the
    real application, and ``finish`` is called with it when it serves. If one of them fails, calls are refused, and
    ``failed`` is called with the error, to end the process.
    """

    def __init__(
        self,
        check: Callable[[], object],
        load: Callable[[], Any],
        finish: Callable[[Any], object],
        failed: Callable[[Exception], object],
        patience: float = PATIENCE,
    ) -> None:
        self._check = check
        self._load = load
        self._finish = finish
        self._failed = failed
        self._patience = patience
        self._checked, self._decided = threading.Event(), threading.Event()
        self._refusal = "it is still starting; try again in a moment"
        self.application: Any = None  # the real one, None until it is there

    def start(self) -> "Starting":
        """Begin to load, in a thread of its own."""
        threading.Thread(target=self._run, name=THREAD, daemon=True).start()
        return self

    def __call__(self, environ: Mapping[str, Any], respond: Respond) -> Iterable[bytes]:
        """Serve a call."""
        if _activates(environ) and self._checked.wait(self._patience) and not self._decided.is_set():
            log.info("activated while starting")
            return _reply(respond, "200 OK", IMPLEMENTS)
        if not self._decided.wait(self._patience) or self.application is None:
            text = f"pynet does not serve: {self._refusal}"
            return _reply(respond, "500 Internal Server Error", {"Err": text, "Error": text})
        answer: Iterable[bytes] = self.application(environ, respond)
        return answer

    def _run(self) -> None:
        try:
            self._check()
            self._checked.set()
            application = self.application = self._load()
            self._decided.set()
            self._finish(application)
        except Exception as error:  # noqa: BLE001 - nobody else hears of it
            self._refusal, self.application = str(error) or type(error).__name__, None
            self._decided.set()
            self._checked.set()
            self._failed(error)


def _activates(environ: Mapping[str, Any]) -> bool:
    plain = environ.get("CONTENT_LENGTH") in {None, "", "0"} and "HTTP_TRANSFER_ENCODING" not in environ
    return plain and environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == f"/{ACTIVATE}"


def _reply(respond: Respond, status: str, value: object) -> Iterable[bytes]:
    body = f"{json.dumps(value, separators=(',', ':'))}\n".encode()
    respond(status, [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))])
    return [body]
