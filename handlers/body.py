"""Reads the JSON object in a request, and turns errors in it into sentences."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Request
from marshmallow import ValidationError
from werkzeug.exceptions import ClientDisconnected

from handlers.schemas.fields import describe
from plugin.errors import InvalidRequest

SHOWN_ERRORS = 3


def read_body(request: Request, largest: int) -> dict[str, Any]:
    """Return the JSON object in the body, of any content type; one that is too large is refused before it is read.

    Raises:
        InvalidRequest: the body is missing, ends early, has more than ``largest`` bytes, or is no JSON object.
    """
    refuse_length(request, largest)
    data = _read(request, largest)
    if not data.strip():
        raise InvalidRequest(
            "the body is empty; the engine sends none when it repeats a call whose connection broke, "
            "so an earlier attempt may have been carried out"
        )
    value = _parse(data)
    if not isinstance(value, dict):
        raise InvalidRequest(f"the body has to be a JSON object; it is {describe(value)}")
    return value


def refuse_length(request: Request, largest: int) -> None:
    """Raise ``InvalidRequest`` if the head announces a body of more than ``largest`` bytes."""
    if (request.content_length or 0) > largest:
        raise InvalidRequest(f"the body is larger than {largest} bytes")


def _read(request: Request, largest: int) -> bytes:
    """Read the body, whose announced length ``refuse_length`` has checked.

    The server ends the stream where the body ends, announced or chunked; werkzeug then checks no length itself.
    """
    announced = request.content_length or 0
    request.max_content_length = largest + 1
    data = _all(request)
    if len(data) > largest:
        raise InvalidRequest(f"the body is larger than {largest} bytes")
    if len(data) < announced:
        raise InvalidRequest(f"the body ends before the {announced} bytes that were announced")
    return data


def _all(request: Request) -> bytes:
    """Return the part of the body that arrived before the caller hung up."""
    try:
        return request.get_data(cache=False)
    except (ClientDisconnected, OSError):
        return b""


def _parse(data: bytes) -> Any:
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in data.lower():
            _refuse_surrogates(value)
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None
    except ValueError as error:  # of JSON, of UTF-8 and of numbers with thousands of digits
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _refuse_surrogates(value: Any) -> None:
    """Refuse half a surrogate pair: JSON allows it, but neither the log nor the store can write it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a surrogate pair") from None


def sentence_of(error: ValidationError) -> str:
    """Return marshmallow's tree of errors as one sentence; each part names a field, its value and the rule."""
    parts = [f"field '{_path(path)}' {rule}" for path, rule in _leaves(error.messages)]
    more = len(parts) - SHOWN_ERRORS
    return "; ".join(parts[:SHOWN_ERRORS]) + (f"; and {more} more" if more > 0 else "")


def _path(path: tuple[Any, ...]) -> str:
    """Return the path ("Options", "generic", 0) as ``Options.generic[0]``, cut like a value that is too long."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path if step != "")
    return describe(text.removeprefix("."))[1:-1]


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _leaves(child, path if key == "_schema" else (*path, key))
    elif isinstance(node, list):
        for child in node:
            yield from _leaves(child, path)
    else:
        yield path, str(node)
