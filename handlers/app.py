"""The Flask application: one view, whatever the verb.

The engine's client (moby pkg/plugins/client.go) sends no content type, takes nothing but 200 for success and wants a
JSON value in it, reads ``Err`` of any other status, and takes 404 for "method not implemented". So every error has a
status of its kind and a body with both keys, ``Err`` for network drivers and ``Error`` for address managers.
"""

import json
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from flask import Flask, Response, request
from marshmallow import ValidationError
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import HTTPException

from handlers.body import read_body, refuse_length, sentence_of
from handlers.ipam_driver import IPAM_VERBS
from handlers.limits import LARGEST_BODY
from handlers.network_driver import NETWORK_VERBS
from handlers.schemas.fields import describe, is_plain
from handlers.service import SERVICE_VERBS
from handlers.verbs import Bound, bind
from plugin.engine.identity import NOBODY, called_by
from plugin.errors import InvalidRequest, PynetError
from plugin.protocol.api import IpamDriver, NetworkDriver, Service
from plugin.request.execution import WorkerPool
from plugin.request.timing import Spent, collect

log = structlog.get_logger()

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"
ACTIVATE = "Plugin.Activate"
IMPLEMENTS = {"Implements": ["NetworkDriver", "IpamDriver"]}
LOGGED_IDS = {"NetworkID": "network", "EndpointID": "endpoint", "PoolID": "pool"}
LAYERS = {  # in words for users
    "netlink": "the kernel",
    "nft": "nftables",
    "store": "the store",
    "cluster": "the cluster store",
}
SHORT_ID, SHORT_POOL = 12, 64  # characters
_UCRED = struct.Struct("3i")  # process, user and group


def create_app(driver: NetworkDriver, ipam: IpamDriver, service: Service, workers: WorkerPool | None = None) -> Flask:
    """Return the application that serves ``driver`` and ``ipam`` to the engine, and ``service`` to pynet's command.

    With ``workers`` every request is answered in their time; without, it is carried out in the thread that serves it.
    """
    app = Flask(__name__, static_folder=None)
    verbs = bind("NetworkDriver", NETWORK_VERBS, driver) | bind("IpamDriver", IPAM_VERBS, ipam)
    verbs |= bind("Pynet", SERVICE_VERBS, service)

    @app.route("/<path:method>", methods=["POST"], provide_automatic_options=False)
    def serve(method: str) -> Response:
        clear_contextvars()  # threads serve one request after the other
        if method == ACTIVATE:
            return _activate()
        return _serve(verbs[method], workers) if method in verbs else _not_implemented(method)

    @app.errorhandler(HTTPException)
    def refuse(_: HTTPException) -> Response:
        """Answer what reached no view: another method than POST, the bare root."""
        method = request.path.removeprefix("/")
        if method == ACTIVATE or method in verbs:
            return _refuse(400, f"{describe(request.method)[1:-1]} {method}: only POST is understood")
        return _not_implemented(method)

    return app


def _activate() -> Response:
    try:
        refuse_length(request, LARGEST_BODY)
    except InvalidRequest as error:
        return _refuse(400, str(error))
    log.info("activated")
    return _reply(IMPLEMENTS)


def _serve(verb: Bound, workers: WorkerPool | None) -> Response:
    """Serve a request and write its one log line, with the milliseconds that each layer took."""
    start = time.perf_counter()
    bind_contextvars(verb=verb.name)
    with collect() as spent:
        try:
            response = _reply(_carry_out(verb, _body(verb), workers, spent))
        except Exception as error:  # noqa: BLE001 - the boundary: the caller gets a sentence, the log the traceback
            status, text = _fault(error)
            details = {"status": status, "error": text, **_unexpected(error), **_took(start, spent)}
            log.error("refused", **details)  # noqa: TRY400 - foreseen errors have no traceback
            return _refuse(status, text)
    tell = partial(log.debug if verb.quiet else log.info, "served", **_took(start, spent))
    response.call_on_close(tell)  # when the engine has its answer: a line takes a tenth of a millisecond
    return response


def _carry_out(verb: Bound, body: dict[str, Any] | None, workers: WorkerPool | None, spent: Spent) -> Any:
    """Serve what changes something in a worker's thread, so that the caller is answered whatever that hangs in."""
    connection = request.environ.get("gunicorn.socket")
    hung_up = _hung_up(connection)
    work = verb.begin(body)
    if workers is None or verb.quiet:
        return work()
    with called_by(_peer(connection)):
        return workers.run(work, hung_up, lambda: _waiting(spent))


def _waiting(spent: Spent) -> str:
    inside = list(spent.inside)
    return f", waiting for {LAYERS.get(inside[-1], inside[-1])}" if inside else ""


def _hung_up(connection: socket.socket | None) -> Callable[[], bool]:
    """Return what says whether the caller has closed its connection; one that only sends no more still listens."""
    if connection is None:
        return lambda: False
    watch = select.poll()
    watch.register(connection, 0)  # POLLHUP and POLLERR are always reported
    return lambda: any(events & (select.POLLHUP | select.POLLERR) for _, events in watch.poll(0))


def _peer(connection: socket.socket | None) -> int:
    """Return the process id of the caller, as it is here (unix(7)); 0 where that is not known."""
    if connection is None:
        return NOBODY
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[0])


def _body(verb: Bound) -> dict[str, Any] | None:
    """Read the body of a verb that has one, and let every log line from here on carry its ids."""
    if verb.request is None:
        refuse_length(request, LARGEST_BODY)
        return None
    body = read_body(request, LARGEST_BODY)
    known = {label: body[key] for key, label in LOGGED_IDS.items() if is_plain(body.get(key))}
    bind_contextvars(**{label: text[: SHORT_POOL if label == "pool" else SHORT_ID] for label, text in known.items()})
    return body


def _fault(error: Exception) -> tuple[int, str]:
    """Return the status and the sentence of an error; the engine puts the method's name in front."""
    match error:
        case ValidationError():
            return 400, sentence_of(error)
        case InvalidRequest():
            return 400, str(error)
        case PynetError():
            return 500, str(error)
        case _:
            return 500, f"internal error ({type(error).__name__}), see the log of pynet"


def _unexpected(error: Exception) -> dict[str, Any]:
    """Return what only the log says: undo steps that failed, and the traceback of a defect."""
    notes = getattr(error, "__notes__", None)
    foreseen = isinstance(error, PynetError | ValidationError)
    return ({"notes": notes} if notes else {}) | ({} if foreseen else {"exc_info": error})


def _took(start: float, spent: Mapping[str, float]) -> dict[str, float]:
    layers = {f"{layer}_ms": round(seconds * 1000, 2) for layer, seconds in dict(spent).items()}
    return {"ms": round((time.perf_counter() - start) * 1000, 2)} | layers


def _reply(value: Any, status: int = 200) -> Response:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Response(text + "\n", status, content_type=MEDIA_TYPE)


def _refuse(status: int, text: str) -> Response:
    return _reply({"Err": text, "Error": text}, status)


def _not_implemented(method: str) -> Response:
    return _refuse(404, f"method {describe(method)} is not implemented")
