"""Elements as nft lists them against elements as pynet writes them."""

from typing import Any

import pytest

from plugin.firewall.listing import difference, listed_contents, wanted_contents

LISTED: list[tuple[str, Any]] = [
    ('"pn-a"', "pn-a"),
    ('"pn-a" . ipv4', {"concat": ["pn-a", "ipv4"]}),
    ("10.9.0.2 . tcp . 80", {"concat": ["10.9.0.2", "tcp", 80]}),
    ("10.9.0.0/24 . 10.9.0.2", {"concat": [{"prefix": {"addr": "10.9.0.0", "len": 24}}, "10.9.0.2"]}),
    ("10.9.0.2/32 . 10.9.0.2", {"concat": ["10.9.0.2", "10.9.0.2"]}),
    ("tcp . 80 : 10.9.0.2 . 8080", [{"concat": ["tcp", 80]}, {"concat": ["10.9.0.2", 8080]}]),
    ('"pn-a" : 192.0.2.1', ["pn-a", "192.0.2.1"]),
    ("192.0.2.1 . 4789 . 70", {"concat": ["192.0.2.1", 4789, 70]}),
    ('"pnh1" . 02:AA:00:00:00:01', {"concat": ["pnh1", "02:aa:00:00:00:01"]}),
]


@pytest.mark.parametrize(("written", "listed"), LISTED)
def test_what_was_written_is_recognized(written: str, listed: Any) -> None:
    """Words, concatenations, prefixes and pairs of maps, as nft 1.0.6 prints them in JSON."""
    contents = listed_contents([{"metainfo": {}}, {"set": {"name": "s", "elem": [listed]}}, {"set": {"name": "empty"}}])

    assert difference(wanted_contents([{"s": [written], "empty": []}]), contents) == (0, 0)


def test_missing_and_unwanted_elements_are_counted() -> None:
    """An element that two owners want is there once."""
    listed = listed_contents([{"map": {"name": "s", "elem": ["b", "c", "d"]}}])

    assert difference(wanted_contents([{"s": ["a", "b"]}, {"s": ["b"]}]), listed) == (1, 2)
