"""The schemas of the documents that ``pynet`` prints with ``--json``."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.contract.contract import SPEC, document_validator

SCHEMAS = sorted((SPEC / "cli").glob("*.json"))


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a schema that describes an object."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield schema
    for part in parts:
        yield from objects(part)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_describes_each_key_in_one_style(path: Any) -> None:
    """Keys are lower case with underlines; each has a description, and is always there."""
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    for each in objects(schema):
        keys = each["properties"]
        assert [key for key in keys if not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", key)] == []
        assert [key for key, value in keys.items() if not value.get("description")] == []
        assert each["required"] == list(keys)


def test_a_schema_is_listed_and_refuses_what_it_does_not_know() -> None:
    """The list in spec/README.md is whole, and a key that a schema does not know fails the test of the commands."""
    listed = (SPEC / "README.md").read_text()
    sound = {"command": "1", "form": "clone", "commit": "", "serving": "", "engine": "", "kernel": "6"}

    assert [path.name for path in SCHEMAS if f"`cli/{path.name}`" not in listed] == []
    document_validator("version").validate(sound)
    with pytest.raises(ValidationError, match="Additional properties"):
        document_validator("version").validate(sound | {"Version": "1"})
