"""The Flask application: one route, one view, whatever the verb.

The engine's client (moby pkg/plugins/client.go) sends no content type, takes nothing but 200 for success and wants a
JSON value in it, reads ``Err`` of any other status, and takes 404 for "method not implemented". So every error has a
status of its kind and a body with both keys, ``Err`` for network drivers and ``Error`` for address managers.
"""

import json
import time
from typing import Any

import structlog
from flask import Flask, Response, request
from marshmallow import ValidationError
from structlog.contextvars import bound_contextvars
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from handlers.body import read_body, sentence_of
from handlers.ipam_driver import IPAM_VERBS
from handlers.network_driver import NETWORK_VERBS
from handlers.verbs import Bound, bind
from plugin.api import IpamDriver, NetworkDriver
from plugin.errors import InvalidRequest, PynetError
from plugin.timing import collect

log = structlog.get_logger()

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"
LARGEST_BODY = 8 << 20  # bytes; a container that publishes 12,000 ports makes about 3 MB
IMPLEMENTS = {"Implements": ["NetworkDriver", "IpamDriver"]}


def create_app(driver: NetworkDriver, ipam: IpamDriver) -> Flask:
    """Return the application that serves ``driver`` and ``ipam``."""
    app = Flask(__name__, static_folder=None)
    verbs = bind("NetworkDriver", NETWORK_VERBS, driver) | bind("IpamDriver", IPAM_VERBS, ipam)

    @app.route("/<path:method>", methods=["POST"])
    def serve(method: str) -> Response:
        if method == "Plugin.Activate":
            return _reply(IMPLEMENTS)
        if method not in verbs:
            return _refuse(404, f"method '{method}' is not implemented")
        return _logged(verbs[method])

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        """Flask's own errors: another method than POST, the bare root."""
        status = 404 if error.code == 404 else 400
        return _refuse(status, f"{request.method} {request.path}: {(error.name or 'bad request').lower()}")

    return app


def _logged(verb: Bound) -> Response:
    """Serve a request and write its one line, with the milliseconds that each layer took."""
    start = time.perf_counter()
    with collect() as spent, bound_contextvars(verb=verb.name):
        response, fault, body = _serve(verb)
        took = {f"{layer}_ms": round(seconds * 1000, 2) for layer, seconds in spent.items()}
        fields = _identities(body) | {"ms": round((time.perf_counter() - start) * 1000, 2)} | took
        if fault is not None:
            log.error("refused", status=response.status_code, error=fault, **fields)
        else:
            (log.debug if verb.quiet else log.info)("served", **fields)
    return response


def _serve(verb: Bound) -> tuple[Response, str | None, Any]:
    body: Any = None
    try:
        if verb.request is not None:
            body = read_body(request, LARGEST_BODY)
        return _reply(verb.serve(body)), None, body
    except ValidationError as error:
        return *_fault(400, f"{verb.name}: {sentence_of(error)}"), body
    except RequestEntityTooLarge:
        return *_fault(400, f"{verb.name}: the body is larger than {LARGEST_BODY} bytes"), body
    except InvalidRequest as error:
        return *_fault(400, str(error)), body
    except PynetError as error:
        return *_fault(500, str(error)), body
    except Exception as error:  # the boundary: the caller gets a sentence, the log the traceback
        log.exception("defect")
        return *_fault(500, f"{verb.name}: internal error ({type(error).__name__}), see pynet's log"), body


def _identities(body: Any) -> dict[str, str]:
    """Return the short ids of a request for its log line."""
    names = {"NetworkID": "network", "EndpointID": "endpoint", "PoolID": "pool"}
    known = body if isinstance(body, dict) else {}
    short = {label: str(known[key]) for key, label in names.items() if key in known}
    return {label: text if label == "pool" else text[:12] for label, text in short.items()}


def _fault(status: int, text: str) -> tuple[Response, str]:
    return _refuse(status, text), text


def _reply(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, separators=(",", ":")) + "\n", status, content_type=MEDIA_TYPE)


def _refuse(status: int, text: str) -> Response:
    return _reply({"Err": text, "Error": text}, status)
