"""``pynet capture``: whose packets, which of them, and how they are written."""

import io
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.commands.capture import CaptureLimits, CaptureSubject, Lines, PcapFile, compiled, packets, subject
from cli.commands.name_book import NameBook
from cli.commands.packet_text import as_data, as_words, summary
from cli.engine.inventory import Inventory, ListedContainer
from cli.exit_codes import BadUsage
from cli.main import main
from netlink.packets import LARGEST, SeenPacket
from plugin.errors import Failed
from tests.contract.contract import document_validator

BLUE, RED, WEB, WEB_TOO, DB = "a1" * 32, "b1" * 32, "e0" * 32, "e1" * 32, "e2" * 32
NETWORKS: list[dict[str, Any]] = [
    {"ID": BLUE, "Endpoints": [{"ID": WEB, "Link": "pnhweb"}, {"ID": DB, "Link": "pnhdb"}]},
    {"ID": RED, "Endpoints": [{"ID": WEB_TOO, "Link": "pnhweb2"}]},
]
BOXES = [
    ListedContainer("c0" * 32, "web", runs=True, endpoints={BLUE: WEB, RED: WEB_TOO}),
    ListedContainer("c1" * 32, "db", runs=True, endpoints={BLUE: DB}),
]
KNOWN = NameBook(NETWORKS, Inventory({BLUE: "blue", RED: "red"}, BOXES))
ETHERNET = bytes.fromhex("020000000002020000000001")
TCP_HEAD = struct.pack(">HHIIBBHHH", 5000, 80, 1, 0, 0x50, 0x12, 9, 0, 0)
PAIRS = (("10.9.0.2", "10.9.0.3"), ("fd00::2", "::1"))
FOUR, SIX = (b"".join(ip_address(one).packed for one in pair) for pair in PAIRS)


def ipv4(protocol: int, payload: bytes, offset: int = 0) -> bytes:
    """Return a frame with an IPv4 packet."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, offset, 64, protocol, 0)
    return ETHERNET + b"\x08\x00" + head + FOUR + payload


def ipv6(following: int, payload: bytes) -> bytes:
    """Return a frame with an IPv6 packet."""
    return ETHERNET + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, 0, following, 64) + SIX + payload


FRAMES = {
    "tcp 10.9.0.2:5000 > 10.9.0.3:80 [S.]": ipv4(6, TCP_HEAD),
    "udp 10.9.0.2:53 > 10.9.0.3:5353": ipv4(17, struct.pack(">HHHH", 53, 5353, 8, 0)),
    "icmp 10.9.0.2 > 10.9.0.3 echo request": ipv4(1, b"\x08\0\0\0"),
    "icmp 10.9.0.2 > 10.9.0.3 type 99": ipv4(1, b"\x63\0\0\0"),
    "udp 10.9.0.2 > 10.9.0.3 fragment": ipv4(17, b"xxxx", offset=100),
    "protocol 99 10.9.0.2 > 10.9.0.3": ipv4(99, b""),
    "tcp [fd00::2]:5000 > [::1]:80 [S.]": ipv6(0, b"\x06\0" + bytes(6) + TCP_HEAD),
    "icmpv6 fd00::2 > ::1 neighbour solicitation": ipv6(58, b"\x87\0\0\0"),
    "udp fd00::2 > ::1 fragment": ipv6(44, b"\x11\0\x05\x58" + bytes(4)),
    "arp 10.9.0.2 > 10.9.0.3 question": ETHERNET
    + bytes.fromhex("0806 0001 0800 06 04 0001 020000000001")
    + FOUR[:4]
    + bytes(6)
    + FOUR[4:],
    "tcp 10.9.0.2:5000 > 10.9.0.3:80 [none]": ETHERNET
    + b"\x81\0\0\x07"
    + ipv4(6, TCP_HEAD.replace(b"P\x12", b"P\0"))[12:],
    "ethertype 0x88cc 02:00:00:00:00:01 > 02:00:00:00:00:02": ETHERNET + b"\x88\xcc",
    "short": ETHERNET,
}


@pytest.mark.parametrize("words", FRAMES)
def test_a_packet_is_a_line(words: str) -> None:
    """Both families, fragments, headers of extension, VLAN tags, ARP, and protocols that nobody knows."""
    found = summary(FRAMES[words])

    assert as_words(found) == words
    document_validator("packet").validate({"time": 1.5, "direction": "in", "length": 60, **as_data(found)})


@given(st.sampled_from(list(FRAMES.values())), st.integers(0, 90), st.binary(max_size=60))
def test_any_bytes_are_a_line(frame: bytes, end: int, rest: bytes) -> None:
    """A container may send whatever it likes, and packets may be cut anywhere."""
    assert as_words(summary(frame[:end] + rest))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("db", CaptureSubject("pnhdb", ())),
        ("db tcp port 80", CaptureSubject("pnhdb", ("tcp", "port", "80"))),
        ("db blue", CaptureSubject("pnhdb", ())),
        ("db red", CaptureSubject("pnhdb", ("red",))),
        ("web red icmp", CaptureSubject("pnhweb2", ("icmp",))),
        (f"web {BLUE[:12]}", CaptureSubject("pnhweb", ())),
        (f"{WEB_TOO[:6]}", CaptureSubject("pnhweb2", ())),
    ],
)
def test_words_name_a_link_and_a_filter(words: str, expected: CaptureSubject) -> None:
    """A network is named behind the container, and only one that it is in; the rest is the filter."""
    assert subject(words.split(), NETWORKS, KNOWN) == expected


def test_a_container_of_several_networks_needs_one_of_them() -> None:
    """A filter behind it does not choose."""
    for words in (["web"], ["web", "tcp", "port", "80"]):
        with pytest.raises(BadUsage, match="container 'web' is in several networks of pynet, name one: blue, red"):
            subject(words, NETWORKS, KNOWN)


def test_a_filter_needs_tcpdump() -> None:
    """Without a filter nothing is asked of it."""
    assert compiled([], places="/nowhere") == []
    with pytest.raises(Failed, match="filter packets by 'tcp port 80': only tcpdump can translate that, and it is not"):
        compiled(["tcp", "port", "80"], places="/nowhere")


def test_a_file_is_one_of_libpcap() -> None:
    """The length on the link is kept where a packet is cut; times are microseconds."""
    out = io.BytesIO()
    file = PcapFile(out)
    file.write(SeenPacket(1_500_000_999, outgoing=True, length=60, data=b"x" * 60))
    file.write(SeenPacket(2_000_000_000, outgoing=False, length=300_000, data=b"y" * 300_000))
    raw = out.getvalue()

    assert struct.unpack("=IHHiIII", raw[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, LARGEST, 1)
    assert struct.unpack("=IIII", raw[24:40]) == (1, 500_000, 60, 60)
    assert struct.unpack("=IIII", raw[100:116]) == (2, 0, LARGEST, 300_000)
    assert len(raw) == 116 + LARGEST


def test_lines_tell_the_direction_of_the_container(capsys: pytest.CaptureFixture[str]) -> None:
    """The host's end sends out what comes in to the container."""
    lines = Lines(machine=False)
    for outgoing in (True, False):
        lines.write(SeenPacket(0, outgoing, 60, FRAMES["icmp 10.9.0.2 > 10.9.0.3 echo request"]))
    shown = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]

    assert shown == [
        "in  icmp 10.9.0.2 > 10.9.0.3 echo request length 60",
        "out icmp 10.9.0.2 > 10.9.0.3 echo request length 60",
    ]


@pytest.mark.parametrize(("most", "seconds", "number"), [(0, 0, 10), (3, 0, 3), (0, 5.5, 5), (9, 2.5, 2), (1, 0, 1)])
def test_a_capture_ends_at_its_limits(most: int, seconds: float, number: int) -> None:
    """A packet comes each second; the first wait ends all that have no limit left, as their link is silent then."""
    now, idle = [0.0], list[float]()

    def come() -> Iterator[SeenPacket | None]:
        for second in range(1, 11):
            yield None
            now[0] = float(second)
            yield SeenPacket(0, outgoing=True, length=1, data=b"")
        while True:
            yield None

    source = come()
    found = list(
        packets(lambda _: next(source), CaptureLimits(most, seconds), lambda: idle.append(now[0]), lambda: now[0])
    )
    assert len(found) == number
    assert idle[:2] == [0.0, 1.0][: len(idle)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("capture", "Missing argument"),
        ("capture web -c 0", "Invalid value for '-c'"),
        ("capture web --seconds never", "'never' is not a valid float"),
        ("capture web -w x.pcap --json", "--json and -w: choose one of them"),
        ("capture web --promiscuous", "No such option"),
    ],
)
def test_a_bad_command_line_is_a_sentence(words: str, sentence: str) -> None:
    """Nobody is asked, and the exit code is that of a wrong command line."""
    done = CliRunner().invoke(main, words.split())

    assert (done.exit_code, sentence in done.output) == (64, True)
