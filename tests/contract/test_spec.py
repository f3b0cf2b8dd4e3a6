"""The spec is whole, and agrees with the tables, the replies and the recorded requests."""

import json

import pytest
from jsonschema import Draft202012Validator

from handlers.drivers import IPAM_VERBS, NETWORK_VERBS
from tests.contract.conftest import Service
from tests.contract.contract import INDEX, SPEC, Recorded, error_validator, recorded, validator

VERBS = {f"NetworkDriver.{name}": verb for name, verb in NETWORK_VERBS.items()} | {
    f"IpamDriver.{name}": verb for name, verb in IPAM_VERBS.items()
}
RECORDED = list(recorded())
NETWORK, ENDPOINT = "a1" * 32, "e0" * 32
POOL = "pynet-local/10.60.0.0/24"
IDS: dict[str, object] = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
LIFE: list[tuple[str, dict[str, object] | None]] = [
    ("Plugin.Activate", None),
    ("NetworkDriver.GetCapabilities", None),
    ("IpamDriver.GetCapabilities", None),
    ("IpamDriver.GetDefaultAddressSpaces", None),
    ("IpamDriver.RequestPool", {"AddressSpace": "pynet-local", "Pool": "10.60.0.0/24"}),
    ("IpamDriver.RequestAddress", {"PoolID": POOL, "Address": "10.60.0.2"}),
    ("NetworkDriver.GwAllocCheck", {"Options": {}}),
    ("NetworkDriver.AllocateNetwork", {"NetworkID": NETWORK, "Options": {"a": "b"}}),
    (
        "NetworkDriver.CreateNetwork",
        {"NetworkID": NETWORK, "IPv4Data": [{"Pool": "10.60.0.0/24", "Gateway": "10.60.0.1/24"}]},
    ),
    ("NetworkDriver.CreateEndpoint", {**IDS, "Interface": {"Address": "10.60.0.2/24"}}),
    ("NetworkDriver.Join", {**IDS, "SandboxKey": "/run/docker/netns/x"}),
    ("NetworkDriver.ProgramExternalConnectivity", IDS),
    ("NetworkDriver.EndpointOperInfo", IDS),
    ("NetworkDriver.DiscoverNew", {"DiscoveryType": 1, "DiscoveryData": {}}),
    ("NetworkDriver.DiscoverDelete", {"DiscoveryType": 1}),
    ("NetworkDriver.RevokeExternalConnectivity", IDS),
    ("NetworkDriver.Leave", IDS),
    ("NetworkDriver.DeleteEndpoint", IDS),
    ("IpamDriver.ReleaseAddress", {"PoolID": POOL, "Address": "10.60.0.2"}),
    ("IpamDriver.ReleasePool", {"PoolID": POOL}),
    ("NetworkDriver.DeleteNetwork", {"NetworkID": NETWORK}),
    ("NetworkDriver.FreeNetwork", {"NetworkID": NETWORK}),
]


def test_the_index_has_every_verb_and_no_other() -> None:
    """What is served is described, and the other way round; verbs without a body have no request schema."""
    assert set(INDEX) == {*VERBS, "Plugin.Activate"}
    for name, verb in VERBS.items():
        assert (INDEX[name]["request"] is None) == (verb.request is None)


@pytest.mark.parametrize("path", sorted(SPEC.rglob("*.json")), ids=lambda path: path.name)
def test_every_file_is_a_valid_schema(path: object) -> None:
    """JSON Schema 2020-12 has a schema of its own; the index names files that are there."""
    contents = json.loads((SPEC / str(path)).read_text())
    if "methods" in contents:
        files = [entry[side] for entry in contents["methods"].values() for side in ("request", "reply") if entry[side]]
        assert all((SPEC / file).is_file() for file in files)
    else:
        assert Draft202012Validator.check_schema(contents) is None


def test_every_reply_is_as_the_contract_says(service: Service) -> None:
    """A whole life of a network, every method once, in an order that the engine could choose."""
    assert {method for method, _ in LIFE} == set(INDEX)
    for method, body in LIFE:
        status, reply = service.post(method, json.dumps(body) + "\n" if body is not None else b"")
        assert status == 200, (method, reply)
        validator(method, "reply").validate(reply)


@pytest.mark.parametrize("case", RECORDED, ids=[case.label for case in RECORDED])
def test_recorded_requests_fit_and_come_back_unchanged(case: Recorded) -> None:
    """Recorded requests fit the spec, and loading and dumping changes nothing."""
    if INDEX[case.method]["request"] is None:
        assert case.body == ""
        return
    body = json.loads(case.body)
    request = VERBS[case.method].request
    assert request is not None
    schema = request()

    validator(case.method, "request").validate(body)
    loaded = schema.load(body)
    assert schema.dump(loaded) == body
    assert schema.build(loaded) is not None


@pytest.mark.parametrize(
    ("engine", "later"), [("20.10", {"GwAllocCheck"}), ("26.1", {"GwAllocCheck"}), ("28.5", set()), ("29.7", set())]
)
def test_every_method_that_engines_send_was_recorded(engine: str, later: set[str]) -> None:
    """The recordings have every method of their engine except those of swarm."""
    unsent = {"AllocateNetwork", "FreeNetwork", "DiscoverNew", "DiscoverDelete"} | later
    sent = {case.method for case in RECORDED if case.engine == f"engine-{engine}"}

    assert sent == set(INDEX) - {f"NetworkDriver.{name}" for name in unsent}


def test_refusals_have_both_keys(service: Service) -> None:
    """Network drivers are read by Err, address managers by Error."""
    for method in ("NetworkDriver.Join", "IpamDriver.RequestAddress", "NetworkDriver.NoSuchMethod"):
        status, reply = service.post(method, "{")
        assert status in {400, 404}
        error_validator().validate(reply)
