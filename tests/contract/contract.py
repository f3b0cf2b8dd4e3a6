"""Docker's contract, loaded: schemas by method, formats, and recorded requests."""

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

SPEC = Path(__file__).parents[2] / "spec"
TRACES = Path(__file__).with_name("traces")
INDEX: dict[str, dict[str, Any]] = json.loads((SPEC / "index.json").read_text())["methods"]
LENGTH = re.compile(r"(0|[1-9][0-9]{0,2})", re.ASCII)
FORMATS = FormatChecker(formats=())


@FORMATS.checks("ip-interface")
@FORMATS.checks("ip-network")
def is_interface(value: object) -> bool:
    """An address, a slash, and a length that fits the family; no netmask and no zone."""
    if not isinstance(value, str):
        return True
    address, _, length = value.partition("/")
    return is_address(address) and bool(LENGTH.fullmatch(length)) and int(length) <= (128 if ":" in address else 32)


@FORMATS.checks("ip-address")
def is_address(value: object) -> bool:
    """An IPv4 or IPv6 address without a zone."""
    if not isinstance(value, str):
        return True
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return "%" not in value


@FORMATS.checks("mac48")
def is_mac(value: object) -> bool:
    """Six bytes with colons."""
    return not isinstance(value, str) or bool(re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", value, re.ASCII))


@cache
def registry() -> Registry[Any]:
    """Every file of the spec by its identity."""
    contents = [json.loads(path.read_text()) for path in SPEC.rglob("*.json") if path.name != "index.json"]
    return Registry().with_resources((item["$id"], Resource.from_contents(item)) for item in contents)


@cache
def validator(method: str, direction: str) -> Draft202012Validator:
    """Return the validator of a message; ``direction`` is request or reply."""
    schema = json.loads((SPEC / INDEX[method][direction]).read_text())
    return Draft202012Validator(schema, registry=registry(), format_checker=FORMATS)


@cache
def document_validator(name: str) -> Draft202012Validator:
    """Return the validator of a document of the ``pynet`` command, ``spec/cli/NAME.json``."""
    schema = json.loads((SPEC / "cli" / f"{name}.json").read_text())
    return Draft202012Validator(schema, registry=registry(), format_checker=FORMATS)


@cache
def service_validator(name: str) -> Draft202012Validator:
    """Return the validator of a reply of pynet's own API, ``spec/service/NAME.reply.json``."""
    schema = json.loads((SPEC / "service" / f"{name}.reply.json").read_text())
    return Draft202012Validator(schema, registry=registry(), format_checker=FORMATS)


@cache
def error_validator() -> Draft202012Validator:
    """Return the validator of the body of every refusal."""
    schema = {"$ref": "https://pynet.invalid/spec/common.json#/$defs/error"}
    return Draft202012Validator(schema, registry=registry(), format_checker=FORMATS)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request of a real engine."""

    engine: str
    method: str
    body: str

    @property
    def label(self) -> str:
        """Name of the case."""
        return f"{self.engine}-{self.method}"


def sequence(engine: str) -> Iterator[tuple[str, Recorded]]:
    """Yield what an engine sent, in order, each with the command of the user that it came from."""
    command = ""
    for line in (TRACES / "sequences" / f"{engine}.jsonl").read_text().splitlines():
        entry = json.loads(line)
        command = entry.get("mark", command)
        if "method" in entry:
            yield command, Recorded(engine, entry["method"], entry["body"])


def recorded() -> Iterator[Recorded]:
    """Yield every recorded request."""
    for path in sorted(TRACES.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            yield Recorded(path.stem, entry["method"], entry["body"])
