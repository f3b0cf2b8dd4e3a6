"""Nonsense gets a sentence: no traceback, no hang, no success, and nothing is changed."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.conftest import Service
from tests.contract.contract import INDEX, error_validator, validator
from tests.contract.test_agreement import METHODS, bodies, places, samples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
)
QUIET = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
BAD_BODIES = {
    "empty": b"",
    "blank": b" \n",
    "not JSON": b"NetworkID=1",
    "half": b'{"NetworkID": "a',
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "NaN": b'{"NetworkID": NaN}',
    "not UTF-8": b'{"NetworkID": "\xff\xfe"}',
    "nested too deeply": b"[" * 100_000,
    "nested objects": b'{"NetworkID":' * 50_000,
    "10 MB": b'{"NetworkID": "' + b"a" * 10_000_000 + b'"}',
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_bodies_are_refused(service: Service, name: str) -> None:
    """Status 400, both keys, a sentence about the body (the engine puts the method before it), nothing changed."""
    before = service.world.snapshot()
    status, reply = service.post("NetworkDriver.CreateNetwork", BAD_BODIES[name])

    assert status == 400
    error_validator().validate(reply)
    assert str(reply["Err"]).startswith("the body")
    assert service.world.snapshot() == before


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_body_says_what_may_have_happened(service: Service, method: str) -> None:
    """A retry of the engine can arrive without its body; every method that needs one answers it."""
    status, reply = service.post(method)

    assert status == 400
    assert "may have been carried out" in str(reply["Err"])


CONTROLLED = [
    ("IpamDriver.RequestPool", {"AddressSpace": "pynet-local\n", "Pool": "10.60.0.0/24"}, "AddressSpace"),
    ("IpamDriver.ReleasePool", {"PoolID": "pynet\x1b[2J"}, "PoolID"),
    ("NetworkDriver.Join", {"NetworkID": "a1", "EndpointID": "e0", "SandboxKey": "/run/x\x85"}, "SandboxKey"),
    ("NetworkDriver.Leave", {"NetworkID": "a1\n", "EndpointID": "e0"}, "NetworkID"),
    ("NetworkDriver.GwAllocCheck", {"Options": {"com.docker.network.generic": {"x": "1\u202e"}}}, "x"),
    ("NetworkDriver.CreateEndpoint", {"NetworkID": "a1", "EndpointID": "e0", "Options": {"a\n": "b"}}, "Options"),
]


@pytest.mark.parametrize(("method", "body", "field"), CONTROLLED, ids=[method for method, _, _ in CONTROLLED])
def test_control_characters_are_refused_everywhere(service: Service, method: str, body: object, field: str) -> None:
    """In ids, keys, paths, options and their names; the sentence shows them escaped."""
    status, reply = service.post(method, json.dumps(body))

    assert (status, field in str(reply["Err"])) == (400, True)
    assert str(reply["Err"]).isprintable()


WRONG = [
    (method, place) for method in METHODS for place in places(samples(method)[0]) if place and isinstance(place[0], str)
]


@pytest.mark.parametrize(("method", "place"), WRONG, ids=[f"{method}-{'.'.join(map(str, p))}" for method, p in WRONG])
def test_a_wrong_type_in_every_field_is_named(service: Service, method: str, place: tuple[Any, ...]) -> None:
    """A number with a fraction is legal nowhere: the sentence names the field, and the status is 400."""
    body = json.loads(json.dumps(samples(method)[0]))
    target = body
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = 1.5
    before = service.world.snapshot()
    status, reply = service.post(method, json.dumps(body))

    free = {"DiscoveryData"} & set(map(str, place[:-1]))  # the one object that pynet does not look into
    assert (status, service.world.snapshot() == before) == (200 if free else 400, True)
    assert free or str(place[-1]) in str(reply["Err"])


@pytest.mark.parametrize("path", ["NetworkDriver.Nope", "networkdriver.Join", "NetworkDriver.Join/", "x", "IpamDriver"])
def test_only_unknown_methods_are_404(service: Service, path: str) -> None:
    """To the engine 404 means "not implemented"; names are exact."""
    status, reply = service.post(path, b"{}")

    assert status == 404
    error_validator().validate(reply)


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_other_http_methods_are_not_404(service: Service, verb: str) -> None:
    """A known method that is called wrongly is not "not implemented"."""
    answer = service.client.open("/NetworkDriver.Join", method=verb)

    assert answer.status_code == 400
    error_validator().validate(answer.get_json(force=True))


@pytest.mark.parametrize("method", sorted(INDEX))
@QUIET
@given(body=JSON)
def test_random_json_never_breaks_anything(method: str, body: Any) -> None:
    """Only what the contract allows is served; all else gets a sentence, and none of it meets a defect."""
    status, reply = Service().post(method, json.dumps(body))

    assert status in {200, 400, 500}
    assert status == 200 or "internal error" not in str(reply["Err"])
    assert status != 200 or INDEX[method]["request"] is None or validator(method, "request").is_valid(body)


@pytest.mark.parametrize("method", METHODS)
@QUIET
@given(data=st.data())
def test_nearly_right_bodies_never_break_anything(method: str, data: st.DataObject) -> None:
    """Known bodies with a few odd values are served or refused with a sentence."""
    status, reply = Service().post(method, json.dumps(data.draw(bodies(method))))

    assert status in {200, 400, 500}
    assert status == 200 or "internal error" not in str(reply["Err"])
