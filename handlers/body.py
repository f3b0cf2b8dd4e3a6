"""From bytes to JSON, and from what is wrong with them to a sentence."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Request
from marshmallow import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from handlers.schemas.fields import describe
from plugin.errors import InvalidRequest


def read_body(request: Request, largest: int) -> Any:
    """Return the JSON value of the body, whatever its content type says.

    Raises:
        RequestEntityTooLarge: more than ``largest`` bytes were announced.
        InvalidRequest: there is no body, it ends early, or it is no JSON object.
    """
    announced = request.content_length or 0
    if announced > largest:
        raise RequestEntityTooLarge
    data = request.get_data(cache=False)
    method = request.path.lstrip("/")
    if not data.strip():
        raise InvalidRequest(
            f"{method}: the body is empty; the engine sends none when it repeats a call whose connection broke, "
            "and the first attempt may have been carried out"
        )
    if len(data) < announced:
        raise InvalidRequest(f"{method}: the body ends after {len(data)} of {announced} bytes")
    value = _parse(method, data)
    if not isinstance(value, dict):
        raise InvalidRequest(f"{method}: the body must be a JSON object, not {describe(value)}")
    return value


def _parse(method: str, data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidRequest(f"{method}: the body is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are both of this kind
        raise InvalidRequest(f"{method}: the body is not JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def sentence_of(error: ValidationError) -> str:
    """Return marshmallow's tree of errors as one sentence; each leaf names the field, its value and the rule."""
    return "; ".join(f"{'.'.join(path)} {rule}" for path, rule in _leaves(error.messages))


def _leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _leaves(child, path if key == "_schema" else (*path, str(key)))
    elif isinstance(node, list):
        for child in node:
            yield from _leaves(child, path)
    else:
        yield path, str(node)
