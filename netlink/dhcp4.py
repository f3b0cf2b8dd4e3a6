"""Messages of DHCP for IPv4: packed for servers, and read from them (RFC 2131, 2132, 3396, 3442).

Everybody on the LAN can send such messages, so reading takes any bytes: a message is read or refused as a whole, and
an option of the wrong length counts as missing.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7  # option 53
# codes of options (RFC 2132, of ROUTES RFC 3442)
MASK, ROUTER, DNS, HOST_NAME, DOMAIN, MTU, BROADCAST = 1, 3, 6, 12, 15, 26, 28
WISH, LASTS, OVERLOAD, KIND, SERVER, WANTED, TEXT, LARGEST = 50, 51, 52, 53, 54, 55, 56, 57
T1, T2, VENDOR_CLASS, CLIENT_ID, ROUTES = 58, 59, 60, 61, 121
ASKED = bytes((MASK, ROUTES, ROUTER, DNS, DOMAIN, MTU, BROADCAST, LASTS, SERVER, T1, T2))  # ROUTES before ROUTER

_PAD, _END = 0, 255
_TO_SERVER, _TO_CLIENT, _ETHERNET = 1, 2, 1
_COOKIE = b"\x63\x82\x53\x63"
_HEAD = struct.Struct("!BBBBIHH4s4s4s4s6s10x64s128s4s")  # RFC 2131 section 2, and the cookie of section 3
_SNAME, _FILE = slice(44, 108), slice(108, 236)
_LEAST = 300  # bytes of a message, less is thrown away by old relays (RFC 1542 section 2.1)
_LONGEST_OPTION = 255  # bytes; a longer value is sent in pieces (RFC 3396)
_TO_ALL = 0x8000
NOBODY = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class DhcpMessage:
    """A message of DHCP; ``kind`` is a value of option 53, ``mac`` the client's (chaddr), ``seconds`` since it began.

    ``own`` is the address that the client has (ciaddr), ``given`` the address that it gets (yiaddr). ``options`` has
    the other options by code; the pieces of an option that was sent in pieces are joined.
    """

    kind: int
    xid: int
    mac: str
    own: IPv4Address = NOBODY
    given: IPv4Address = NOBODY
    seconds: int = 0
    to_all: bool = False
    options: Mapping[int, bytes] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the bytes of a message to a server."""
        flags = _TO_ALL if self.to_all else 0
        ends = self.own.packed, self.given.packed, bytes(4), bytes(4)
        mac = bytes.fromhex(self.mac.replace(":", ""))
        seconds = min(max(self.seconds, 0), 0xFFFF)
        head = _HEAD.pack(_TO_SERVER, _ETHERNET, 6, 0, self.xid, seconds, flags, *ends, mac, b"", b"", _COOKIE)
        pieces = [bytes((KIND, 1, self.kind))]
        for code, value in self.options.items():
            for start in range(0, max(len(value), 1), _LONGEST_OPTION):
                piece = value[start : start + _LONGEST_OPTION]
                pieces.append(bytes((code, len(piece))) + piece)
        return b"".join([head, *pieces, bytes((_END,))]).ljust(_LEAST, b"\0")

    def address(self, code: int) -> IPv4Address | None:
        """Return the address of an option."""
        value = self.options.get(code, b"")
        return IPv4Address(value) if len(value) == 4 else None

    def addresses(self, code: int) -> tuple[IPv4Address, ...]:
        """Return the addresses of an option that has a list."""
        value = self.options.get(code, b"")
        return tuple(IPv4Address(four) for (four,) in struct.iter_unpack("!4s", value)) if len(value) % 4 == 0 else ()

    def number(self, code: int, size: int = 4) -> int | None:
        """Return the number of an option of ``size`` bytes."""
        value = self.options.get(code, b"")
        return int.from_bytes(value, "big") if len(value) == size else None

    def text(self, code: int) -> str:
        """Return the text of an option, "" if it has other characters than the printable ones of ASCII."""
        value = self.options.get(code, b"").rstrip(b"\0")
        return value.decode("ascii") if value.isascii() and value.decode("ascii").isprintable() else ""

    def routes(self) -> tuple[tuple[IPv4Network, IPv4Address], ...]:
        """Return destinations and routers of option 121, none if one of them cannot be read."""
        value, found = self.options.get(ROUTES, b""), []
        while value:
            length = value[0]
            end = 1 + (length + 7) // 8
            if length > 32 or len(value) < end + 4:
                return ()
            destination = IPv4Network((value[1:end].ljust(4, b"\0"), length), strict=False)
            found.append((destination, IPv4Address(value[end : end + 4])))
            value = value[end + 4 :]
        return tuple(found)


def recipient(data: bytes) -> tuple[int, str] | None:
    """Return xid and MAC of the client for which a message is, None if it is no message for a client."""
    if len(data) < _HEAD.size or data[:3] != bytes((_TO_CLIENT, _ETHERNET, 6)):
        return None
    return int.from_bytes(data[4:8], "big"), data[28:34].hex(":")


def read(data: bytes) -> DhcpMessage:
    """Read the message of a server.

    Raises:
        ValueError: it is not one, or an option is cut off.
    """
    found = recipient(data)
    if found is None or data[_HEAD.size - len(_COOKIE) : _HEAD.size] != _COOKIE:
        raise ValueError("no message of DHCP to a client")
    options = _options(data[_HEAD.size :])
    overload = options.pop(OVERLOAD, b"")
    for bit, place in ((1, _FILE), (2, _SNAME)):  # in this order (RFC 2131 section 4.1)
        if len(overload) == 1 and overload[0] & bit:
            for code, value in _options(data[place]).items():
                options[code] = options.get(code, b"") + value
    kind = options.pop(KIND, b"")
    if len(kind) != 1:
        raise ValueError("no message of DHCP, but one of BOOTP")
    return DhcpMessage(
        kind[0],
        *found,
        own=IPv4Address(data[12:16]),
        given=IPv4Address(data[16:20]),
        seconds=int.from_bytes(data[8:10], "big"),
        to_all=bool(data[10] & _TO_ALL >> 8),
        options=options,
    )


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    place = 0
    while place < len(data) and (code := data[place]) != _END:
        place += 1
        if code == _PAD:
            continue
        if place == len(data) or len(data) < place + 1 + data[place]:
            raise ValueError(f"option {code} is cut off")
        found[code] = found.get(code, b"") + data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    return found
