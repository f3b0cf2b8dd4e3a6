"""Records survive JSON, and JSON of other versions is read."""

import dataclasses
import inspect
import json
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_interface
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.server.records import KINDS, SHARED_KINDS
from netlink.ip import read_interface
from plugin.errors import Failed
from plugin.ipam.generation import PoolGeneration
from plugin.model import records as model
from plugin.model.parent import Parent
from plugin.protocol.messages import PortBinding
from plugin.store.codec import reader, writer
from plugin.store.rows import decode, encode

RECORDS: list[Any] = [
    kind for _, kind in inspect.getmembers(model, inspect.isclass) if isinstance(getattr(kind, "kind", None), str)
]
RECORDS.append(PoolGeneration)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a dataclass, with all of its fields."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{each.name: st.from_type(hints[each.name]) for each in dataclasses.fields(kind)})


for part in (model.NetworkSubnet, model.Overlay, Parent, PortBinding, model.Published, model.Way):
    st.register_type_strategy(part, values)  # their signature is known when the first value is made


def test_the_records_are_found() -> None:
    """The list that the tests below run over is not empty by accident."""
    assert {"network", "endpoint", "pool", "lease", "tombstone"} <= {kind.kind for kind in RECORDS}


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.kind)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_a_record_survives_json(kind: Any, data: st.DataObject) -> None:
    """Whatever a record holds, reading what was written gives an equal record."""
    record = data.draw(values(kind))
    assert decode(kind, encode(record)) == record


def test_keys_of_a_newer_version_are_ignored() -> None:
    """A pynet that is older than the file still reads it."""
    text = '{"pool_id":"p","address":"10.0.0.1","purpose":"gateway","name":"","colour":"red"}'
    assert decode(model.Lease, text) == model.Lease("p", IPv4Address("10.0.0.1"), "gateway")


def test_keys_that_an_older_version_lacked_take_their_default() -> None:
    """A pynet that is newer than the file still reads it, also inside of nested records."""
    network = decode(model.Network, '{"id":"n","mode":"bridge","link":"pn-n","subnets":[{"pool":"10.0.0.0/8"}]}')
    assert network.owns_link is True
    assert network.subnets[0].gateway is None


def test_unions_of_families_keep_the_family() -> None:
    """An address of either family comes back as that family; an interface keeps its prefix length."""
    lease = model.Lease("p", IPv6Address("fd00::1"))
    assert decode(model.Lease, encode(lease)).address == IPv6Address("fd00::1")
    endpoint = model.Endpoint("e", "n", "02::", ipv4=IPv4Interface("10.0.0.2/24"))
    assert decode(model.Endpoint, encode(endpoint)).ipv4 == IPv4Interface("10.0.0.2/24")


@pytest.mark.parametrize("kind", [*KINDS, *SHARED_KINDS], ids=lambda kind: kind.kind)
def test_a_store_can_keep_every_kind(kind: Any) -> None:
    """No field has a type that cannot be read or written."""
    assert (callable(reader(kind)), callable(writer(kind))) == (True, True)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ('"found":"10.0.0.1/8"', "expected list, found '10.0.0.1/8'"),
        ('"found":[5]', "expected str, found 5"),
        ('"options":["a"]', r"expected dict, found \['a'\]"),
        ('"options":{"a":1}', "expected str, found 1"),
        ('"subnets":["10.0.0.0/8"]', "expected dict, found '10.0.0.0/8'"),
        ('"subnets":[{"pool":"10.0.0.1/8"}]', "host bits set"),
        ('"owns_link":1', "expected bool, found 1"),
        ('"gso":true', "expected int, found True"),
        ('"overlay":{}', "field 'network' is missing"),
    ],
)
def test_no_part_of_a_record_is_converted(field: str, reason: str) -> None:
    """A part of another type is refused, also where Python would take it: a text has items too."""
    with pytest.raises(Failed, match=reason):
        decode(model.Network, f'{{"id":"n","mode":"bridge","link":"l",{field}}}')


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.1/24", "10.0.0.1/0", "10.0.0.1", "10.0.0.1/255.0.0.0", "fd00::1/64", "10.0.0.1/024", "10.0.0.1/33"),
        *("10.0.0.1/+8", "10.0.0.1/2_4", "10.0.0.1/ 8", "10.0.0.1/٣", "01.0.0.1/8", "/8", "", "x/8"),
    ],
)
def test_an_interface_is_read_as_python_reads_it(text: str) -> None:
    """The quicker way accepts the same texts, and gives the same values."""
    outcomes = []
    for read in (read_interface, ip_interface):
        try:
            outcomes.append(str(read(text)))
        except ValueError:
            outcomes.append("")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "read a stored lease"),
        ("{}", "field 'pool_id' is missing"),
        ('{"pool_id":null,"address":"10.0.0.1"}', "expected str, found None"),
        ('{"pool_id":"p","address":null}', "expected str, found None"),
        ('{"pool_id":"p","address":5}', "expected str, found 5"),
        ('{"pool_id":"p","address":"10.0.0.300"}', "10.0.0.300"),
        ('{"pool_id":"p","address":"fe80::1%eth0"}', "'fe80::1%eth0' is an address with a zone"),
    ],
)
def test_a_damaged_record_is_a_sentence(text: str, reason: str) -> None:
    """A body that is no record of its kind is refused with the kind and the cause."""
    with pytest.raises(Failed, match=reason):
        decode(model.Lease, text)


def test_the_body_is_flat_json() -> None:
    """A human can read the file: addresses are their usual text."""
    assert json.loads(encode(model.Lease("p", IPv4Address("10.0.0.1")))) == {
        "pool_id": "p",
        "address": "10.0.0.1",
        "purpose": "endpoint",
        "name": "",
        "kept_until": 0,
    }
