"""``pynet path``: words, output and refusals; ``tests/kernel/test_path.py`` compares it with the kernel."""

from dataclasses import replace
from ipaddress import IPv4Interface, ip_address, ip_interface, ip_network
from typing import Any

import pytest

from cli.commands.path import as_data, as_text
from handlers.schemas.path import PathReply, PathRequest
from plugin.engine.names import Known
from plugin.errors import NotFound, PynetError
from plugin.model.records import Endpoint, Network, NetworkSubnet, Overlay, Published
from plugin.path.model import Surroundings
from plugin.path.walk import path
from plugin.protocol.path_messages import Fate, question

V4 = NetworkSubnet(ip_network("10.9.0.0/24"), ip_interface("10.9.0.1/24"))
NET = Network("a" * 64, "bridge", "pn-a", subnets=(V4,))
WEB = Endpoint("e" * 64, NET.id, "02:00:00:00:00:01", ip_interface("10.9.0.5/24"))  # type: ignore[arg-type]
HOST = (("pn-a", ip_interface("10.9.0.1/24")), ("eth0", ip_interface("192.0.2.1/24")))
FACTS = Surroundings({NET.id: NET}, [WEB], HOST)
ENDPOINT = f"endpoints:{WEB.id}"
BESIDE = replace(WEB, id="f" * 64, ipv4=IPv4Interface("10.9.0.6/24"))
BESIDE_ID = f"endpoints:{BESIDE.id}"
BAD = [
    ({"From": "web", "To": "host", "Service": "tcp/80"}, "'web' is no end of a path"),
    ({"From": "host", "To": "10.9.0.300", "Service": "tcp/80"}, "'10.9.0.300' is no end of a path"),
    ({"From": "host", "To": "10.9.0.5", "Service": "80"}, "'80' is no service"),
    ({"From": "host", "To": "10.9.0.5", "Service": "tcp/0"}, "'tcp/0' is no service"),
    ({"From": "host", "To": "10.9.0.5", "Service": "tcp/65536"}, "'tcp/65536' is no service"),
    ({"From": "host", "To": "10.9.0.5", "Service": "icmp/8"}, "'icmp/8' is no service"),
    ({"From": "host", "To": "10.9.0.5", "Service": "gre/1"}, "'gre/1' is no service"),
    ({"From": "host", "To": "10.9.0.5", "Service": "tcp/²"}, "'tcp/²' is no service"),
    ({"From": "host", "To": "10.9.0.5", "Service": "tcp/80", "Version": "5"}, "'5' is no IP version"),
    ({"From": "fd00::1", "To": "10.9.0.5", "Service": "tcp/80"}, "different IP versions"),
    ({"From": ENDPOINT, "To": "host", "Service": "tcp/80", "Version": "6"}, "has no IPv6 address"),
    ({"From": "endpoints:f00", "To": "host", "Service": "tcp/80"}, "no endpoint on a network of pynet's"),
]


@pytest.mark.parametrize(("asked", "sentence"), BAD)
def test_a_bad_question_is_a_sentence(asked: dict[str, Any], sentence: str) -> None:
    """A service, an end or an IP version that cannot be understood is named in a sentence."""
    request = PathRequest()
    with pytest.raises(PynetError, match=sentence):
        path(request.build(request.load(asked)), FACTS)


def test_each_step_is_a_line_and_the_deciding_one_has_an_arrow() -> None:
    """Names stand in the place of ids, and the last line says what happens."""
    closed = replace(FACTS, networks={NET.id: replace(NET, internal=True)})
    answer = path(question(ENDPOINT, "192.0.2.9", "tcp/443"), closed)
    names = Known({NET.id: "blue"}, {WEB.id: "web"})
    lines = as_text(as_data(PathReply().dump(answer), ("web", "192.0.2.9", "tcp/443"), names)).splitlines()

    assert lines == [
        "tcp/443 from web to 192.0.2.9",
        "   guard  ok       container 'web' (10.9.0.5) sends from the MAC and the address that it was given",
        "-> route  dropped  network 'blue' leads nowhere else: it is internal",
        "it is dropped, the sender is not told",
    ]


def test_a_closed_port_that_is_published_has_a_way_round() -> None:
    """Whoever asks for the container's own port from outside is told the port of the host."""
    port = Published(6, 80, ip_address("10.9.0.5"), ip_address("0.0.0.0"), 8080)
    facts = replace(FACTS, endpoints=[replace(WEB, published=(port,))])
    closed, other = (
        path(question("outside", ENDPOINT, service), facts).deciding.text for service in ("tcp/80", "tcp/81")
    )

    assert closed.endswith("; tcp/8080 of the host leads there, so ask for the way to host tcp/8080")
    assert other.endswith("is not open to a machine outside")
    assert path(question("outside", "host", "tcp/8080"), facts).fate is Fate.PASSES


@pytest.mark.parametrize(
    ("ends", "decides", "fate"),
    [
        ((ENDPOINT, ENDPOINT), "delivery", Fate.PASSES),
        (("outside", "host"), "delivery", Fate.PASSES),
        (("outside", "198.51.100.7"), "delivery", Fate.PASSES),
        ((ENDPOINT, "10.9.0.77"), "delivery", Fate.DROPPED),
        (("host", "10.9.0.77"), "delivery", Fate.DROPPED),
        (("outside", "10.9.0.5"), "isolation", Fate.DROPPED),
    ],
)
def test_ends_that_need_little(ends: tuple[str, str], decides: str, fate: Fate) -> None:
    """A container itself, strangers, and addresses that nobody has."""
    answer = path(question(*ends, "tcp/80"), FACTS)

    assert (answer.deciding.by, answer.fate) == (decides, fate)


def test_a_container_whose_address_is_elsewhere_sends_nothing() -> None:
    """Its host has closed it, and the address leads to the other host."""
    shared = replace(NET, overlay=Overlay("blue", 7, 4789, 1450))
    facts = replace(FACTS, networks={NET.id: shared}, endpoints=[replace(WEB, taken="h2"), BESIDE])
    from_it, to_it = (path(question(*ends, "tcp/80"), facts) for ends in ((ENDPOINT, "host"), (BESIDE_ID, "10.9.0.5")))

    assert (from_it.deciding.by, from_it.fate) == ("guard", Fate.DROPPED)
    assert "host 'h2' has its address" in from_it.deciding.text
    assert "the tunnel takes it to the host" in to_it.deciding.text


def test_what_cannot_be_seen_is_unclear() -> None:
    """If the rules of other firewalls cannot be listed, the answer is open; an unknown container is refused."""
    blind = replace(FACTS, listed=None)

    assert path(question(ENDPOINT, "192.0.2.9", "tcp/80"), blind).fate is Fate.UNCLEAR
    with pytest.raises(NotFound):
        path(question("endpoints:0", "outside", "icmp"), blind)
    assert FACTS.by_address[ip_address("10.9.0.5")] is WEB


@pytest.mark.parametrize(
    ("link", "deciding", "words"),
    [("eth0", "delivery", "routes it by link 'eth0' to the host"), ("pn-a", "delivery", "the tunnel takes it to")],
)
def test_a_container_of_another_host_is_reached_by_a_route_or_the_tunnel(link: str, deciding: str, words: str) -> None:
    """As the host's own route to it says; where the host does not forward, only the tunnel reaches it."""
    shared = replace(NET, mode="overlay", overlay=Overlay("blue", 7, 4789, 1450, tunnel="auto"))
    facts = replace(FACTS, networks={NET.id: shared}, towards=lambda _: link)
    there, back = (
        path(question(*ends, "tcp/80"), facts) for ends in ((ENDPOINT, "10.9.0.77"), ("10.9.0.77", ENDPOINT))
    )

    assert (there.deciding.by, there.fate, back.fate) == (deciding, Fate.PASSES, Fate.PASSES)
    assert words in there.deciding.text
    shut = path(question(ENDPOINT, "10.9.0.77", "tcp/80"), replace(facts, forwards=()))
    assert (shut.fate is Fate.DROPPED) is (link == "eth0")
