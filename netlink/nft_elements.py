"""Elements of nftables sets and maps as values.

An element keeps the bytes that the kernel keeps: its parts in network order, each padded to four bytes. They are
compared and sent as they are; nft's text and the values of the parts are made of them for readers.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network, summarize_address_range
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Literal, NamedTuple

from netlink import uapi
from netlink.values import dataclass

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}  # names that nft knows without /etc/protocols
FAMILIES = {"inet": uapi.NFPROTO_INET, "bridge": uapi.NFPROTO_BRIDGE}
_IP_VERSIONS: dict[Any, bytes] = {
    name: bytes([number, 0, 0, 0])
    for version, number in ((4, uapi.NFPROTO_IPV4), (6, uapi.NFPROTO_IPV6))
    for name in (version, f"ipv{version}")
}
_NAME = re.compile(r'[^\s"*\\\x00-\x1f\x7f]{1,15}')  # nft takes a star for any name, and a backslash for an escape
ByteOrder = Literal["little", "big"]
_LONGEST = 15  # bytes of a link name, IFNAMSIZ - 1 (linux/if.h)
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


@dataclass(frozen=True, eq=False)
class Part:
    """A kind of part of elements.

    ``pack`` takes a value or its word in nft's JSON, and raises ``ValueError`` or ``TypeError`` for anything else;
    ``unpack`` returns the value, ``word`` nft's word for it.
    """

    type: str  # in nft's language; "@th,64,128" is raw payload of 128 bits
    length: int  # bytes
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]
    word: Callable[[bytes], str]
    expression: str = ""  # for ``typeof``, beside raw payload

    @cached_property
    def size(self) -> int:
        """Bytes with the padding."""
        return -(-self.length // 4) * 4


@dataclass(frozen=True, eq=False)
class NamedSet:
    """A set, or with a ``value`` a map; ``comment`` is what nft shows with it, at most 127 bytes.

    Elements of a ``counted`` one count the packets that find them; the kernel begins anew with each new element.
    """

    family: str
    name: str
    comment: str
    key: tuple[Part, ...]
    value: tuple[Part, ...] = ()
    interval: bool = False
    counted: bool = False

    @cached_property
    def key_size(self) -> int:
        """Bytes of a key, or of one of the two ends of an interval."""
        return sum(part.size for part in self.key)

    @cached_property
    def size(self) -> int:
        """Bytes of a packed element."""
        return self.key_size * (2 if self.interval else 1) + sum(part.size for part in self.value)

    @property
    def form(self) -> str:
        """The types of its parts, as nft writes them."""
        key, value = (" . ".join(part.type for part in parts) for parts in (self.key, self.value))
        return f"{key} : {value}" if value else key

    @cached_property
    def declaration(self) -> str:
        """How nft declares it."""
        raw = any(part.type.startswith("@") for part in self.key)
        # nft knows raw payload by an expression only, and an expression cannot be combined with a type.
        expressions = " . ".join(part.expression or part.type for part in self.key)
        kind = f"typeof {expressions};" if raw else f"type {self.form};"
        flags = " flags interval;" * self.interval + " counter;" * self.counted
        return f'{"map" if self.value else "set"} {self.name} {{ {kind}{flags} comment "{self.comment}"; }}'

    def element(self, *values: Any) -> "Element":
        """Return the element with these values of its parts; it has a ``flaw`` if they do not fit."""
        try:
            return Element(self, self._pack(values))
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            words = " . ".join(map(str, values))
            return Element(self, b"", f"write {words!r} into nftables set '{self.name}': it is no {self.form}")

    def read(self, listed: Any) -> "Element":
        """Return the element that nft lists so, see libnftables-json(5)."""
        return self.element(*_listed_parts(listed))

    def _pack(self, values: tuple[Any, ...]) -> bytes:
        if not self.interval:
            return b"".join([part.pack(value) for part, value in zip(self.key + self.value, values, strict=True)])
        ends = [_ends(part, value) for part, value in zip(self.key, values, strict=True)]
        return b"".join([first for first, _ in ends] + [last for _, last in ends])


class Element(NamedTuple):
    """An element of a set or a map; of an interval set, ``packed`` has the first and the last key.

    One with a ``flaw``, a sentence, has no bytes and cannot be written.
    """

    of: NamedSet
    packed: bytes
    flaw: str = ""

    @property
    def key(self) -> bytes:
        """The part of ``packed`` that a map has once."""
        return self.packed[: self.of.key_size]

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of its parts, of an interval as a subnet, or as its first and last value where it is none."""
        return tuple(_value(part, first, last) for part, first, last in self._parts())

    @property
    def text(self) -> str:
        """The element in nft's language."""
        words = [
            part.word(first) + ("" if first == last else _until(part, first, last))
            for part, first, last in self._parts()
        ]
        keys = len(self.of.key)
        return " . ".join(words[:keys]) + (f" : {' . '.join(words[keys:])}" if self.of.value else "")

    def _parts(self) -> Iterator[tuple[Part, bytes, bytes]]:
        """Yield each part with its bytes, in an interval of the first and of the last key."""
        of, packed, place = self.of, self.packed, 0
        further = of.key_size if of.interval else 0
        for part in of.key + of.value:
            end = place + part.size
            yield part, packed[place:end], packed[place + further : end + further]
            place = end


def _value(part: Part, first: bytes, last: bytes) -> Any:
    if first == last:
        return part.unpack(first)
    ends = part.unpack(first), part.unpack(last)
    subnets = list(summarize_address_range(*ends)) if isinstance(ends[0], IPv4Address | IPv6Address) else []
    return subnets[0] if len(subnets) == 1 else ends


def _until(part: Part, first: bytes, last: bytes) -> str:
    """Return the rest of an interval's word; nft takes a prefix of an address, and a range of anything else."""
    if part in (IPV4, IPV6):
        low, high = int.from_bytes(first, "big"), int.from_bytes(last, "big")
        bits = (low ^ high).bit_length()
        if low == high >> bits << bits and high == low | (1 << bits) - 1:
            return f"/{8 * part.length - bits}"
    return f"-{part.word(last)}"


def _ends(part: Part, value: Any) -> tuple[bytes, bytes]:
    """Return the first and the last of an interval."""
    match value:
        case {"prefix": {"addr": address, "len": length}}:
            return _ends(part, ip_network(f"{address}/{length}"))
        case {"range": [first, last]}:
            return part.pack(first), part.pack(last)
        case (first, last):
            return part.pack(first), part.pack(last)
        case IPv4Network() | IPv6Network():
            return part.pack(value.network_address), part.pack(value.broadcast_address)
        case _:
            return part.pack(value), part.pack(value)


def _listed_parts(listed: Any) -> Iterable[Any]:
    """Yield the parts of a listed element, of a map's key first."""
    match listed:
        case {"concat": parts}:
            yield from parts
        case {"elem": {"val": value}}:
            yield from _listed_parts(value)
        case [key, value]:
            yield from (*_listed_parts(key), *_listed_parts(value))
        case _:
            yield listed


@lru_cache(maxsize=256)
def _pack_name(name: str) -> bytes:
    raw = name.encode()
    if not _NAME.fullmatch(name) or len(raw) > _LONGEST:
        raise ValueError(name)
    return raw.ljust(16, b"\0")


@lru_cache(maxsize=256)
def _pack_mac(mac: str) -> bytes:
    if not _MAC.fullmatch(mac):
        raise ValueError(mac)
    return bytes.fromhex(mac.replace(":", "")) + b"\0\0"


def _pack_ipv4(address: IPv4Address | str) -> bytes:
    return address.packed if isinstance(address, IPv4Address) else IPv4Address(str(address)).packed


def _pack_ipv6(address: IPv6Address | str) -> bytes:
    found = address if isinstance(address, IPv6Address) else IPv6Address(str(address))
    if found.scope_id is not None:
        raise ValueError(address)
    return found.packed


def _pack_raw_ipv6(address: IPv6Address | str | int) -> bytes:
    return _pack_ipv6(address if isinstance(address, IPv6Address) else IPv6Address(int(str(address), 0)))


def _number(of: str, length: int, names: Mapping[int, str] | None = None, expression: str = "") -> Part:
    """Return a part whose values are numbers; with ``names``, these alone."""

    def pack(value: int) -> bytes:
        if not isinstance(value, int) or (names and value not in names):
            raise ValueError(value)
        return value.to_bytes(length, "big") + bytes(-length % 4)

    def unpack(raw: bytes) -> int:
        return int.from_bytes(raw[:length], "big")

    return Part(of, length, pack, unpack, lambda raw: names[unpack(raw)] if names else str(unpack(raw)), expression)


def _handle(of: str, order: ByteOrder) -> Part:
    """Return a part of 32 bits that nft writes as two numbers of 16 bits, in hex."""

    def pack(value: int | str) -> bytes:
        if isinstance(value, str):
            major, minor = value.split(":")
            value = int(major, 16) << 16 | int(minor, 16)
        return value.to_bytes(4, order)

    def unpack(raw: bytes) -> int:
        return int.from_bytes(raw, order)

    return Part(of, 4, pack, unpack, lambda raw: f"{unpack(raw) >> 16:x}:{unpack(raw) & 0xFFFF:x}")


def _identifier(place: str) -> Part:
    """Return a part of 64 bits that nft knows as raw payload alone, and writes in hex."""

    def pack(value: int | str) -> bytes:
        return int(str(value), 0).to_bytes(8, "big")

    return Part(place, 8, pack, lambda raw: int.from_bytes(raw, "big"), lambda raw: f"0x{raw.hex()}")


def _name(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode()


def _mac(raw: bytes) -> str:
    return raw[:6].hex(":")


def _version(raw: bytes) -> int:
    return 4 if raw == _IP_VERSIONS[4] else 6


IFNAME = Part("ifname", 16, _pack_name, _name, lambda raw: f'"{_name(raw)}"', "iifname")
ETHER = Part("ether_addr", 6, _pack_mac, _mac, _mac)
IPV4 = Part("ipv4_addr", 4, _pack_ipv4, IPv4Address, partial(inet_ntop, AF_INET), "ip saddr")
IPV6 = Part("ipv6_addr", 16, _pack_ipv6, IPv6Address, partial(inet_ntop, AF_INET6), "ip6 saddr")
IP_VERSION = Part("nf_proto", 1, _IP_VERSIONS.__getitem__, _version, lambda raw: f"ipv{_version(raw)}")
PROTOCOL = _number("inet_proto", 1, {number: name for name, number in PROTOCOLS.items()})
ANY_PROTOCOL = _number("inet_proto", 1)
PORT = _number("inet_service", 2, expression="udp dport")
# nft 1.0.6 has no name for the target of a neighbour advertisement: the 16 bytes behind the ICMPv6 header's 8.
TARGET = Part("@th,64,128", 16, _pack_raw_ipv6, IPv6Address, lambda raw: f"0x{raw.hex()}")
# The last 64 bits of the source of an IPv6 packet, and of such a target: identifiers of interfaces.
SOURCE_ID, TARGET_ID = (_identifier(place) for place in ("@nh,128,64", "@th,128,64"))
# The priority of a packet: as the value of a map, and in the key of a set with intervals, which nft compares in another
# byte order.
HANDLE = _handle("classid", sys.byteorder)
HANDLE_KEY = _handle("classid", "big")
# Nor for the VNI: the 3 bytes behind the UDP header's 8 and the first 4 of VXLAN's (RFC 7348).
VNI = _number("@th,96,24", 3)
