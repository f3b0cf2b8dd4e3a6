"""What ``pynet dns names`` and ``pynet dns lookup`` print."""

from typing import Any

import pytest

from cli.commands import dns_status
from cli.commands.dns import as_text, looked_up, of_network, rows_of

REPLY: dict[str, Any] = {
    "Names": [
        {"Network": "n1", "NetworkName": "Blue", "Endpoint": "e1", "Host": "", "Names": ["web", "app"]},
        {
            "Network": "n1",
            "NetworkName": "Blue",
            "Endpoint": "e2",
            "Host": "h2",
            "HostName": "node2",
            "Names": ["db", "app"],
        },
        {"Network": "n2", "NetworkName": "red", "Endpoint": "e3", "Host": "", "Names": ["web"]},
    ]
}
HOSTS = {"": "", "h2": "node2"}
ROWS = rows_of(
    {"Names": [{"HostName": HOSTS[one["Host"]], "Addresses": ["10.5.0.2"], **one} for one in REPLY["Names"]]}
)


def test_a_name_that_several_containers_have_is_marked() -> None:
    """Such a name is answered in turn, as the engine does with an alias; others are not marked."""
    text = as_text(of_network(ROWS, "Blue"))
    assert "app*" in text
    assert "web*" not in text
    assert "node2" in text
    assert "in turn" in text
    assert "in turn" not in as_text(of_network(ROWS, "red"))


@pytest.mark.parametrize(
    ("name", "ends"),
    [("web", ["e1", "e3"]), ("WEB.blue.pynet.", ["e1"]), ("web.red.pynet", ["e3"]), ("web.green.pynet", []), ("x", [])],
)
def test_a_name_is_looked_up_alone_or_with_its_network(name: str, ends: list[str]) -> None:
    """The full name leads to one network, the short one to all that have it."""
    assert sorted(row["endpoint"] for row in looked_up(ROWS, name)) == ends


@pytest.mark.parametrize(
    ("networks", "places", "trouble", "state", "good"),
    [
        (2, ["169.254.53.53"], "", "serves 2 networks at 169.254.53.53, port 5359", True),
        (1, [], "port 5359 is taken", "does not serve 1 network: port 5359 is taken", False),
        (1, [], "", "does not serve 1 network: it is about to begin", False),
        (0, [], "", "does not run, because no network has pynet.dns", True),
    ],
)
def test_the_state_of_the_resolver(networks: int, places: list[str], trouble: str, state: str, *, good: bool) -> None:
    """A sentence says whether it serves and why not, and each outcome of a question has a line."""
    reply = {"Networks": networks, "Addresses": places, "Port": 5359, "Trouble": trouble, "Servers": []}
    data = dns_status.as_data({**reply, "Questions": {"own": 7, "refused": 1}, "Kept": 1})
    lines = dns_status.as_text(data).splitlines()
    assert lines[0] == f"resolver: {state}"
    assert "nobody" in lines[1]
    assert lines[2:5] == ["cache: 1 answer", "questions since the start of pynet:", "  7  from names of containers"]
    assert dns_status.serves(data) is good
