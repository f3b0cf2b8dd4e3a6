"""Elements as nft lists them against elements as pynet writes them."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugin.firewall.listing import difference, listed_contents, wanted_contents
from plugin.firewall.ruleset import changes

LISTED: list[tuple[str, Any]] = [
    ('"pn-a"', "pn-a"),
    ('"pn-a" . ipv4', {"concat": ["pn-a", "ipv4"]}),
    ("10.9.0.2 . tcp . 80", {"concat": ["10.9.0.2", 6, 80]}),
    ("10.9.0.0/24 . 10.9.0.2", {"concat": [{"prefix": {"addr": "10.9.0.0", "len": 24}}, "10.9.0.2"]}),
    ("10.9.0.2/32 . 10.9.0.2", {"concat": ["10.9.0.2", "10.9.0.2"]}),
    ("tcp . 80 : 10.9.0.2 . 8080", [{"concat": [6, 80]}, {"concat": ["10.9.0.2", 8080]}]),
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


def test_a_change_of_many_elements_costs_each_of_them_once() -> None:
    """A second Program with 12,000 ports compared each with all others, for 50 s and with the firewall locked."""
    ports = [f"tcp . {port} : 10.9.0.2 . {port}" for port in range(400)]
    before, after = {"anywhere4": Uses(ports)}, {"anywhere4": Uses([*ports, "udp . 53 : 10.9.0.2 . 53"])}

    assert [(change.add, list(change.elements)) for change in changes(before, after)] == [
        (True, [after["anywhere4"][-1]])
    ]
    assert before["anywhere4"].uses + after["anywhere4"].uses <= 4


class Uses(list[str]):
    """Counts how often it is gone through."""

    uses = 0

    def __iter__(self) -> Iterator[str]:
        self.uses += 1
        return super().__iter__()
