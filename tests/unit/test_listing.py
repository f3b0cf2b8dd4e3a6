"""Elements as nft lists them, compared with elements as pynet writes them."""

from typing import Any

import pytest

from plugin.firewall.listing import Listing, listed_elements
from tests.elements import SET
from tests.elements import written as elements
from tests.fake_sockets import Steps
from tests.fakes import FakeNft

LISTED: list[tuple[str, str, Any]] = [
    ("bridges", '"pn-a"', "pn-a"),
    ("masqueraded", '"pn-a" . ipv4', {"concat": ["pn-a", "ipv4"]}),
    ("routed_ports4", "10.9.0.2 . tcp . 80", {"concat": ["10.9.0.2", 6, 80]}),
    ("subnets4", '"pn-a" . 10.9.0.0/24', {"concat": ["pn-a", {"prefix": {"addr": "10.9.0.0", "len": 24}}]}),
    ("subnets4", '"pn-a" . 10.9.0.2', {"concat": ["pn-a", "10.9.0.2"]}),
    ("published_ports_any4", "tcp . 80 : 10.9.0.2 . 8080", [{"concat": [6, 80]}, {"concat": ["10.9.0.2", 8080]}]),
    ("sources4", '"pn-a" : 192.0.2.1', ["pn-a", "192.0.2.1"]),
    ("vxlan_members4", "192.0.2.1 . 4789 . 70", {"concat": ["192.0.2.1", 4789, 70]}),
    ("port_macs", '"pnh1" . 02:aa:00:00:00:01', {"concat": ["pnh1", "02:AA:00:00:00:01"]}),
    ("allowed_targets", f'"pnh1" . 0x{0:032x}-0x{15:032x}', {"concat": ["pnh1", {"range": ["0x0", "0xf"]}]}),
]


@pytest.mark.parametrize(("name", "written", "listed"), LISTED)
def test_what_was_written_is_recognized(name: str, written: str, listed: Any) -> None:
    """Words, concatenations, prefixes, ranges and pairs of maps, as nft 1.0.6 prints them in JSON."""
    of = SET[name]
    objects: list[dict[str, Any]] = [
        {"metainfo": {}},
        {"set": {"family": of.family, "name": name, "elem": [listed]}},
        {"set": {"name": "s"}},
    ]

    assert listed_elements(objects) == list(elements({name: [written]}))
    assert of.read(listed).text == written


def test_a_subnet_of_one_address_is_the_address() -> None:
    """A subnet of one address is the same as the address, as nft lists it."""
    assert elements({"subnets4": ['"pn-a" . 10.9.0.2/32']}) == elements({"subnets4": ['"pn-a" . 10.9.0.2']})


def test_missing_and_unwanted_elements_are_found() -> None:
    """An element that two owners want is there once."""
    nft = FakeNft(Steps())
    nft.table, nft.elements = True, {("bridges", '"b"'), ("bridges", '"c"'), ("internal_bridges", '"d"')}
    listing = Listing(nft, "pynet")
    listing.keep(0)
    one, other = elements({"bridges": ['"a"', '"b"']}), elements({"bridges": ['"b"']})

    found = listing.difference([one, other])
    assert found is not None
    assert found.words == "lack 1 elements and have 2 that nobody wants"
    assert [element.text for element in found.add] == ['"a"']
    assert {element.text for element in found.delete} == {'"c"', '"d"'}
    assert listing.difference(None) is None
