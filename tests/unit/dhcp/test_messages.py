"""Messages of DHCP and the frames that carry them, in both directions and whatever somebody sends."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlink import dhcp4
from netlink.arp_probe import Claim, probe, read_claim
from netlink.dhcp4 import DhcpMessage, read, recipient
from netlink.dhcp_link import Ends, checksum, frame, read_frame
from tests.unit.dhcp.dialogue import ADDRESS, MAC, SERVER_MAC, answer, packed

HEAD = 240  # bytes before the options


def from_server(message: DhcpMessage) -> bytes:
    """Return the bytes of a message as a server sends it."""
    return b"\2" + message.pack()[1:]


def raw(options: bytes, sname: bytes = b"", file: bytes = b"") -> bytes:
    """Return a message of a server with these bytes as options."""
    head = from_server(answer("OFFER"))[:HEAD]
    return head[:44] + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + head[236:] + options


def test_a_message_is_read_as_it_was_packed() -> None:
    """All fields come back, also an option of more than 255 bytes."""
    options = {dhcp4.SERVER: packed(ADDRESS), dhcp4.TEXT: b"x" * 700, dhcp4.ROUTES: b""}
    message = DhcpMessage(dhcp4.ACK, 0xDEADBEEF, MAC, IPv4Address(1), IPv4Address(2), 7, to_all=True, options=options)
    assert read(from_server(message)) == message
    assert recipient(from_server(message)) == (0xDEADBEEF, MAC)
    assert len(DhcpMessage(dhcp4.DISCOVER, 1, MAC).pack()) == 300


def test_options_may_be_in_other_fields() -> None:
    """With option 52 other fields have options too; pieces of one option are joined in the order of the fields."""
    data = raw(b"\x34\1\3\x35\1\5\x0f\2ab\xff", sname=b"\x0f\2ef\xff", file=b"\x0f\2cd\x06\4\1\2\3\4\xff")
    message = read(data)
    assert (message.text(dhcp4.DOMAIN), message.addresses(dhcp4.DNS)) == ("abcdef", (IPv4Address("1.2.3.4"),))
    assert read(raw(b"\x35\1\5\xff", sname=b"\x0f\2ef\xff")).text(dhcp4.DOMAIN) == ""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        raw(b"")[:239],
        answer("OFFER").pack(),
        raw(b"\xff"),
        raw(b"\x35"),
        raw(b"\x35\2\5"),
        raw(b"\x35\0\xff"),
        raw(b"\x34\1\1\x35\1\5\xff", file=b"\x06\xff"),
        raw(b"\x35\1\5\xff")[:236] + b"none" + b"\x35\1\5\xff",
    ],
)
def test_messages_that_are_refused(data: bytes) -> None:
    """Too short, of a client, without a kind, with an option that is cut off, or without the cookie."""
    with pytest.raises(ValueError, match=r"message|option"):
        read(data)


@given(st.binary(max_size=1600), st.sampled_from([b"", raw(b""), raw(b"\x34\1\3\x35\1\5")]))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_refused(noise: bytes, begin: bytes) -> None:
    """Nothing but ``ValueError`` comes of bytes that somebody made up, and no value is longer than the message."""
    try:
        message = read(begin + noise)
    except ValueError:
        return
    message.routes(), message.addresses(dhcp4.DNS), message.text(dhcp4.DOMAIN), message.address(dhcp4.SERVER)
    assert sum(map(len, message.options.values())) <= len(begin + noise)


@pytest.mark.parametrize(
    ("value", "routes"),
    [
        (b"\x18\x0a\1\2\1\2\3\4\0\5\6\7\x08", [("10.1.2.0/24", "1.2.3.4"), ("0.0.0.0/0", "5.6.7.8")]),
        (b"\x20\1\2\3\4\0\0\0\0", [("1.2.3.4/32", "0.0.0.0")]),
        (b"\x08\xff\1\2\3\4", [("255.0.0.0/8", "1.2.3.4")]),
        (b"\x21\1\2\3\4\5\1\2\3\4", []),
        (b"\x18\x0a\1\2\1\2\3", []),
        (b"\0", []),
        (b"", []),
    ],
)
def test_classless_routes(value: bytes, routes: list[tuple[str, str]]) -> None:
    """Destinations have as many bytes as their mask needs; one bad route makes the option worthless."""
    found = DhcpMessage(dhcp4.ACK, 1, MAC, options={dhcp4.ROUTES: value}).routes()
    assert found == tuple((IPv4Network(destination), IPv4Address(router)) for destination, router in routes)


def test_a_frame_carries_a_message() -> None:
    """The frame has the client's MAC and right checksums, and its message can be read out of it."""
    data = frame(Ends(MAC, IPv4Address("10.0.0.5"), IPv4Address("10.0.0.1"), SERVER_MAC), b"odd")
    assert (data[:6].hex(":"), data[6:12].hex(":")) == (SERVER_MAC, MAC)
    assert checksum(data[14:34]) == 0
    assert checksum(data[26:34] + b"\0\x11\0\x0b" + data[34:]) == 0
    assert read_frame(data) == (MAC, b"odd")


@given(st.binary(max_size=80), st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_any_frame_is_read_or_refused(noise: bytes, cut: int) -> None:
    """A frame with wrong lengths, or one that is cut off, gives no message beyond its bytes."""
    whole = frame(Ends(MAC), b"message")
    for data in (noise, whole[: len(whole) - cut], whole[:14] + noise):
        heard = read_frame(data)
        assert heard is None or heard.data in data
        read_claim(data)


def test_claims_of_addresses() -> None:
    """A probe claims the address for which it asks, another ARP message that of its sender, and the rest nothing."""
    mac = bytes.fromhex(MAC.replace(":", ""))
    asked = probe(mac, IPv4Address(ADDRESS))
    assert (len(asked), read_claim(asked)) == (42, Claim(IPv4Address(ADDRESS), MAC))
    answered = asked[:20] + b"\0\2" + mac + packed("10.0.0.9") + bytes(6) + packed(ADDRESS)
    assert read_claim(answered) == Claim(IPv4Address("10.0.0.9"), MAC)
    assert [read_claim(asked[:41]), read_claim(asked[:20] + b"\0\2" + asked[22:]), read_claim(bytes(60))] == [None] * 3
