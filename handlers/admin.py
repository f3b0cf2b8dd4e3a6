"""The Flask application on the admin socket: an HTTP API with JSON for pynet's own commands.

An error is a JSON object with a sentence as ``Err``.
"""

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from structlog.contextvars import clear_contextvars
from werkzeug.exceptions import HTTPException

from handlers.app import Body, credentials, refuse, reply, serve_verb
from handlers.health import health_reply
from handlers.routes import HEALTH, METRICS, ROUTES
from handlers.schemas.fields import describe
from handlers.service import SERVICE_VERBS
from handlers.verbs import Bound, bind
from netlink.values import dataclass
from plugin.errors import PynetError
from plugin.observe.health import Verdict
from plugin.observe.page import MEDIA_TYPE
from plugin.observe.request_times import RequestTimes
from plugin.protocol.api import Service
from plugin.request.execution import WorkerPool

ROOT = 0
Wsgi = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """What monitoring asks for.

    ``page`` returns the metrics as text, ``times`` counts the requests, and ``health`` returns the verdicts.
    """

    page: Callable[[], bytes] = bytes
    times: RequestTimes = field(default_factory=RequestTimes)
    health: Callable[[], Sequence[Verdict]] = tuple


def calling_user() -> int:
    """Return the user id of the caller; that of root is the kernel's word for it (SO_PEERCRED)."""
    return credentials(request.environ["gunicorn.socket"])[1]


def create_admin(
    service: Service,
    watched: Watched,
    workers: WorkerPool | None = None,
    user: Callable[[], int] = calling_user,
) -> Flask:
    """Return the application that serves ``service`` to pynet's own command.

    ``user`` returns the id of the calling user. ``workers`` carry out requests as those of the engine are, and are not
    the same ones.
    """
    app = Flask(__name__, static_folder=None)
    for verb in bind("Pynet", SERVICE_VERBS, service).values():
        method, path, _ = ROUTES[verb.name.removeprefix("Pynet.")]
        view = _view(verb, workers, user if method == "POST" else None, watched.times)
        app.add_url_rule(path, verb.name, view, methods=[method], provide_automatic_options=False)

    plain_paths = {METRICS: partial(_metrics, watched.page), HEALTH: partial(_health, watched.health)}
    plain_paths[ROUTES["Health"].path] = partial(_told_health, watched.health)
    for path, answer in plain_paths.items():
        app.add_url_rule(path, path, answer, methods=["GET"], provide_automatic_options=False)

    @app.after_request
    def plain(response: Response) -> Response:
        if response.content_type != MEDIA_TYPE:
            response.content_type = "application/json"
        return response

    @app.errorhandler(HTTPException)
    def refuse_other(error: HTTPException) -> Response:
        """Answer requests that reached no view, with the status of their kind."""
        return refuse(error.code or 500, f"{request.method} {describe(request.path)} is not known here")

    return app


def _metrics(page: Callable[[], bytes]) -> Response:
    try:
        return Response(page(), content_type=MEDIA_TYPE)
    except PynetError as error:
        return refuse(503, str(error))


def _health(verdicts: Callable[[], Sequence[Verdict]]) -> Response:
    """Answer a machine that reads the status alone."""
    status, found = health_reply(verdicts)
    return reply(found, status)


def _told_health(verdicts: Callable[[], Sequence[Verdict]]) -> Response:
    """Answer a command, to which only an error is an error."""
    return reply(health_reply(verdicts)[1])


def _view(
    verb: Bound, workers: WorkerPool | None, user: Callable[[], int] | None, times: RequestTimes
) -> Callable[[], Response]:
    """Return the view for a verb; with ``user``, of which other users than root are refused."""

    def view() -> Response:
        clear_contextvars()  # a thread serves many requests, one after the other
        if user is None:
            return serve_verb(verb, workers, _query, times)
        caller = user()
        if caller != ROOT:
            return refuse(403, f"only root may do this, and user {caller} asked; run it as root")
        return serve_verb(verb, workers, times=times)

    return view


def _query(verb: Bound) -> Body:
    return None if verb.request is None else request.args.to_dict()


def by_listener(engine: Wsgi, admin: Wsgi, path: Path) -> Wsgi:
    """Return an application that serves ``admin`` on the socket at ``path``, and ``engine`` on all others."""

    def serve(environ: Any, respond: Any) -> Any:
        connection = environ.get("gunicorn.socket")
        here = connection is not None and connection.getsockname() == str(path)
        return (admin if here else engine)(environ, respond)

    return serve
