"""The marshmallow schemas and the spec accept and refuse the same data."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from handlers.verbs import Verb
from tests.contract.contract import INDEX, SPEC, validator
from tests.contract.test_spec import RECORDED, VERBS

METHODS = sorted(name for name in INDEX if INDEX[name]["request"])
SWARM: dict[str, dict[str, Any]] = {
    "NetworkDriver.AllocateNetwork": {"NetworkID": "x1", "Options": {"a": "b"}, "IPv4Data": [{"Pool": "10.0.0.0/24"}]},
    "NetworkDriver.FreeNetwork": {"NetworkID": "x1"},
    "NetworkDriver.DiscoverNew": {"DiscoveryType": 1, "DiscoveryData": {"Address": "192.0.2.1", "Self": True}},
    "NetworkDriver.DiscoverDelete": {"DiscoveryType": 1, "DiscoveryData": {"Address": "192.0.2.1", "Self": True}},
}
# fmt: off
ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 6, 65535, 65536, 255, 256, 1.5, 2**40, "", "x", "x\n", " ", "0", "é", "a/b",
    "x\x85", "x\u202ey", {"a": "b\n"}, {"a\n": "b"}, {"a\n": 1},
    "10.0.0.1", "10.0.0.1/24", "10.0.0.1/33", "10.0.0.1/024", "10.0.0.1/255.255.255.0", "10.0.0/24", "010.0.0.1/24",
    "0.0.0.0/0", "fd00::1/64", "fd00::1/129", "fd00::1", "fe80::1%eth0", "fe80::1%eth0/64", "::/0",
    "02:42:0a:00:00:02", "02-42-0a-00-00-02", "02:42:0A:00:00:0g", "AkIKBQAy", "AkIKBQA", "AkIKBQAy\n", [], [None],
    [1], ["x"], {}, {"a": 1},
    {"a": "b"}, {"a": None}, [{}], [{"Pool": "10.0.0.0/24"}], [{"Proto": 6, "Port": 80}], [{"Proto": 256, "Port": 80}],
]
# fmt: on


def samples(method: str) -> list[dict[str, Any]]:
    """Return known bodies of a method: recorded ones, or written ones where only swarm sends it."""
    return [json.loads(case.body) for case in RECORDED if case.method == method] or [SWARM[method]]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside ``value``."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


@st.composite
def bodies(draw: st.DrawFn, method: str) -> Any:
    """Draw a known body of ``method`` with up to three values replaced, removed or added."""
    body = copy.deepcopy(draw(st.sampled_from(samples(method))))
    for _ in range(draw(st.integers(0, 3))):
        *parents, last = draw(st.sampled_from([place for place in places(body) if place] or [("x",)]))
        target = body
        for key in parents:
            target = target[key]
        if draw(st.booleans()) and isinstance(target, dict):
            target.pop(last, None)
        else:
            target[last] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
    return body


def loads(verb: Verb, body: Any) -> bool:
    """Say whether marshmallow accepts ``body``; what it accepts must be buildable."""
    assert verb.request is not None
    schema = verb.request()
    try:
        loaded = schema.load(body)
    except ValidationError:
        return False
    schema.build(loaded)
    return True


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(data=st.data())
def test_schemas_and_spec_agree(method: str, data: st.DataObject) -> None:
    """Whatever is drawn, both accept it or both refuse it."""
    body = data.draw(bodies(method))

    assert loads(VERBS[method], body) == validator(method, "request").is_valid(body)


def test_options_may_be_null() -> None:
    """No option is refused because it is null, which Go writes for an empty list or byte slice."""
    names = json.loads((SPEC / "common.json").read_text())["$defs"]["endpoint-options"]["properties"]
    for method in ("NetworkDriver.CreateEndpoint", "NetworkDriver.Join"):
        body = samples(method)[0] | {"Options": dict.fromkeys(names)}
        assert loads(VERBS[method], body)
        assert validator(method, "request").is_valid(body)
