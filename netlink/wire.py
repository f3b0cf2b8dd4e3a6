"""Netlink messages as bytes: packing and reading.

Layout: ``struct nlmsghdr`` and ``struct nlattr`` (linux/netlink.h). Numbers are in the byte order of the host, but for
those that packets carry too, such as addresses and ports.
"""

import struct
import sys
from collections.abc import Iterator

ORDER = {"little": "<", "big": ">"}[sys.byteorder]  # what a struct of the host begins with
HEADER = struct.Struct(f"{ORDER}IHHII")  # struct nlmsghdr
ATTRIBUTE = struct.Struct(f"{ORDER}HH")  # struct nlattr
_WORD = struct.Struct(f"{ORDER}I")
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
NLM_F_DUMP, NLM_F_DUMP_INTR = 0x300, 0x10
NLA_TYPE_MASK = 0x3FFF


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to four bytes."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a string."""
    return attribute(kind, value.encode() + b"\0")


def word(kind: int, value: int) -> bytes:
    """Return an attribute that holds 32 bits."""
    return attribute(kind, _WORD.pack(value))


def number(value: bytes, *, signed: bool = False) -> int:
    """Read a number of any length; 0 for nothing."""
    return int.from_bytes(value, sys.byteorder, signed=signed)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, value) of each netlink attribute in ``data``."""
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size:
            return
        yield kind & NLA_TYPE_MASK, data[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Return a request with its header."""
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, flags, body) of each netlink message in ``data``."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, offset)
        if length < HEADER.size:
            return
        yield kind, flags, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def error_number(payload: bytes) -> int:
    """Return the errno in the body of an NLMSG_ERROR message; 0 is an acknowledgement."""
    return -number(payload[:4], signed=True)
