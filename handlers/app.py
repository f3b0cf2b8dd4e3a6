"""The Flask application: one view for all verbs.

The engine's client (moby pkg/plugins/client.go) sends no content type. It takes only 200 for success, with a JSON value
in the body, and 404 for "method not implemented"; of any other status it reads ``Err``. So every error has the status
of its kind, and a body with both keys: ``Err`` for network drivers and ``Error`` for address managers.
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

from handlers.activation import ACTIVATE, IMPLEMENTS, MEDIA_TYPE
from handlers.body import read_body, refuse_length, sentence_of
from handlers.drivers import IPAM_VERBS, NETWORK_VERBS
from handlers.limits import LARGEST_BODY
from handlers.schemas.fields import describe, is_plain
from handlers.verbs import Bound, bind
from plugin.engine.identity import NOBODY, called_by
from plugin.errors import Conflict, Exhausted, InvalidRequest, NotFound, PynetError, Unsupported
from plugin.observe.request_times import FAILED, OK, REFUSED, RequestTimes
from plugin.protocol.api import IpamDriver, NetworkDriver
from plugin.request.execution import WorkerPool
from plugin.request.timing import Spent, collect

log = structlog.get_logger()

KIND = "Error-Kind"  # header with the kind of an error (``plugin.errors``), for pynet's own command

LOGGED_IDS = {"NetworkID": "network", "EndpointID": "endpoint", "PoolID": "pool"}
LAYERS = {  # in words for users
    "netlink": "the kernel",
    "nft": "nftables",
    "store": "the store",
    "cluster": "the cluster store",
    "dhcp": "the DHCP server",
}
SHORT_ID, SHORT_POOL = 12, 64  # characters
SLOW = 2000.0  # milliseconds after which a line says that a request was slow
OF_THE_USER = (ValidationError, InvalidRequest, NotFound, Conflict, Exhausted, Unsupported)  # nobody is to be woken
Body = dict[str, Any] | None
_UCRED = struct.Struct("iII")  # process, user and group


def create_app(
    driver: NetworkDriver, ipam: IpamDriver, workers: WorkerPool | None = None, times: RequestTimes | None = None
) -> Flask:
    """Return the application that serves ``driver`` and ``ipam`` to the engine.

    ``workers`` carry out the requests and answer each in time; without them the thread that serves a request does it.
    ``times`` counts the requests.
    """
    app = Flask(__name__, static_folder=None)
    verbs = bind("NetworkDriver", NETWORK_VERBS, driver) | bind("IpamDriver", IPAM_VERBS, ipam)

    @app.route("/<path:method>", methods=["POST"], provide_automatic_options=False)
    def serve(method: str) -> Response:
        clear_contextvars()  # a thread serves many requests, one after the other
        if method == ACTIVATE:
            return _activate()
        return serve_verb(verbs[method], workers, times=times) if method in verbs else _not_implemented(method)

    @app.errorhandler(HTTPException)
    def refuse_other(_: HTTPException) -> Response:
        """Answer requests that reached no view: another HTTP method than POST, or the bare root."""
        method = request.path.removeprefix("/")
        if method == ACTIVATE or method in verbs:
            return refuse(400, f"{describe(request.method)[1:-1]} {method}: only POST is understood")
        return _not_implemented(method)

    return app


def _activate() -> Response:
    try:
        refuse_length(request, LARGEST_BODY)
    except InvalidRequest as error:
        return refuse(400, str(error))
    log.info("activated")
    return reply(IMPLEMENTS)


def serve_verb(
    verb: Bound,
    workers: WorkerPool | None,
    body: Callable[[Bound], Body] | None = None,
    times: RequestTimes | None = None,
) -> Response:
    """Serve a request, count it in ``times``, and write its one log line, with the milliseconds that each layer took.

    ``body`` reads what the caller says, by default from the body of the request.
    """
    times = times or RequestTimes()
    start = time.perf_counter()
    bind_contextvars(verb=verb.name)
    with collect() as spent:
        try:
            response = reply(_carry_out(verb, (body or _body)(verb), workers, spent))
        except Exception as error:  # noqa: BLE001 - the boundary: the caller gets a sentence, the log gets the traceback
            status, text = _fault(error)
            details = {"status": status, "error": text, **_unexpected(error), **_took(start, spent)}
            of_the_user = isinstance(error, OF_THE_USER)
            times.observe(verb.name, REFUSED if of_the_user else FAILED, time.perf_counter() - start, spent)
            (log.warning if of_the_user else log.error)("refused", **details)
            refusal = refuse(status, text)
            refusal.headers[KIND] = type(error).__name__
            return refusal
    # After the engine has its answer: a line takes 0.1 ms.
    response.call_on_close(partial(times.observe, verb.name, OK, time.perf_counter() - start, spent))
    response.call_on_close(request_line(verb.event, _took(start, spent)))
    return response


def request_line(event: str, took: Mapping[str, float]) -> Callable[[], object]:
    """Return a function that logs a request that was served: a slow one as a warning, one without event for debugging.

    ``took`` has milliseconds: "ms" for all of it, and others for its parts.
    """
    if took["ms"] > SLOW:
        return partial(log.warning, f"{event or 'served'}, slowly", **took)
    return partial(log.info, event, **took) if event else partial(log.debug, "served", **took)


def _carry_out(verb: Bound, body: Body, workers: WorkerPool | None, spent: Spent) -> Any:
    """Carry out a verb that changes something in a worker's thread: the caller gets an answer even if it hangs."""
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
    """Return a function that tells whether the caller hung up; one that only stopped sending still reads."""
    if connection is None:
        return lambda: False
    watch = select.poll()
    watch.register(connection, 0)  # POLLHUP and POLLERR are always reported
    return lambda: any(events & (select.POLLHUP | select.POLLERR) for _, events in watch.poll(0))


def _peer(connection: socket.socket | None) -> int:
    """Return the process id of the caller in this pid namespace, 0 where it is not known."""
    return NOBODY if connection is None else credentials(connection)[0]


def credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Return process, user and group of the caller (SO_PEERCRED, unix(7))."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    process, user, group = _UCRED.unpack(found)
    return process, user, group


def _body(verb: Bound) -> Body:
    """Read the body of a verb that has one, and put its ids into every later log line."""
    if verb.request is None:
        refuse_length(request, LARGEST_BODY)
        return None
    body = read_body(request, LARGEST_BODY)
    known = {label: body[key] for key, label in LOGGED_IDS.items() if is_plain(body.get(key))}
    bind_contextvars(**{label: text[: SHORT_POOL if label == "pool" else SHORT_ID] for label, text in known.items()})
    return body


def _fault(error: Exception) -> tuple[int, str]:
    """Return the status and the sentence for an error; the engine puts the method's name in front."""
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
    """Return details for the log alone: undo steps that failed, and the traceback of a defect."""
    notes = getattr(error, "__notes__", None)
    foreseen = isinstance(error, PynetError | ValidationError)
    return ({"notes": notes} if notes else {}) | ({} if foreseen else {"exc_info": error})


def _took(start: float, spent: Mapping[str, float]) -> dict[str, float]:
    layers = {f"{layer}_ms": round(seconds * 1000, 2) for layer, seconds in dict(spent).items()}
    return {"ms": round((time.perf_counter() - start) * 1000, 2)} | layers


def reply(value: Any, status: int = 200) -> Response:
    """Return an answer with ``value`` as JSON."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Response(text + "\n", status, content_type=MEDIA_TYPE)


def refuse(status: int, text: str) -> Response:
    """Return the answer to a request that is refused."""
    return reply({"Err": text, "Error": text}, status)


def _not_implemented(method: str) -> Response:
    return refuse(404, f"method {describe(method)} is not implemented")
