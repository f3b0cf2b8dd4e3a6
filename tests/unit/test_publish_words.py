"""The words of ``pynet publish`` and ``pynet unpublish``, which are those of ``docker run -p``."""

import pytest

from cli.commands.publish import bindings_of, is_port, places_of
from cli.exit_codes import BadUsage

WORDS = {
    "80": [(6, 80, "", 0, 0)],
    "8080:80": [(6, 80, "", 8080, 8080)],
    "8080:80/udp": [(17, 80, "", 8080, 8080)],
    "127.0.0.1:8080:80/tcp": [(6, 80, "127.0.0.1", 8080, 8080)],
    "127.0.0.1::80": [(6, 80, "127.0.0.1", 0, 0)],
    "[::1]:53:53/UDP": [(17, 53, "::1", 53, 53)],
    "8000-8010:80": [(6, 80, "", 8000, 8010)],
    "8000-8001:80-81/sctp": [(132, 80, "", 8000, 8000), (132, 81, "", 8001, 8001)],
}
BAD = {
    "": "is no port",
    "blue": "'blue' is no port, such as 8080:80",
    "0:80": "'0' is no port from 1 to 65535",
    "8080:65536": "'65536' is no port",
    "9000-8000:80": "'9000-8000' is no port from 1 to 65535, nor a range",
    "8000-8002:80-81": "3 ports of the host and 2 of the container do not fit together",
    "8080:80/icmp": "protocol 'icmp' is none of tcp, udp, sctp",
    "10.0.0.999:8080:80": "'10.0.0.999' is no IP address",
    "[fe80::1%eth0]:8080:80": "'fe80::1%eth0' is no IP address",
    "1:2:3:4": "is no port",
}


@pytest.mark.parametrize(("word", "wanted"), WORDS.items(), ids=WORDS)
def test_words_are_read_as_docker_reads_them(word: str, wanted: list[tuple[int, int, str, int, int]]) -> None:
    """Host address, host port, container port and protocol; ranges pair up, or give a choice of host ports."""
    assert is_port(word)
    assert [tuple(each.values()) for each in bindings_of([word])] == wanted


@pytest.mark.parametrize(("word", "why"), BAD.items(), ids=BAD)
def test_other_words_are_refused_with_a_sentence(word: str, why: str) -> None:
    """The sentence names the word."""
    with pytest.raises(BadUsage, match=why.replace("+", r"\+")):
        bindings_of([word])


def test_a_port_is_withdrawn_by_its_host_port() -> None:
    """The word by which it was published is understood too; without a host port it is the container's."""
    assert places_of(["8080", "53/udp", "127.0.0.1:8090:80"]) == [
        {"Proto": 6, "Port": 8080},
        {"Proto": 17, "Port": 53},
        {"Proto": 6, "Port": 8090},
    ]
    assert [place["Port"] for place in places_of(["8000-8002"])] == [8000, 8001, 8002]
    with pytest.raises(BadUsage, match="name at least one port"):
        places_of([])
