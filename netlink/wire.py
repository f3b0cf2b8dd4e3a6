"""Packing and reading netlink messages.

Numbers are in the byte order of the host, except those that packets carry too, such as addresses and ports.
"""

import os
import struct
import sys
from collections.abc import Container, Iterator
from typing import NamedTuple

from netlink import uapi

_WORD = struct.Struct(f"{uapi.ORDER}I")


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to four bytes."""
    return uapi.NLATTR.pack(uapi.NLATTR.size + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, value: bytes) -> bytes:
    """Return an attribute that holds attributes, for protocols that want it marked."""
    return attribute(kind | uapi.NLA_F_NESTED, value)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a string."""
    return attribute(kind, value.encode() + b"\0")


def word(kind: int, value: int) -> bytes:
    """Return an attribute that holds 32 bits."""
    return attribute(kind, _WORD.pack(value))


def number(value: bytes, *, signed: bool = False) -> int:
    """Read a number of any length; no bytes are 0."""
    return int.from_bytes(value, sys.byteorder, signed=signed)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, value) of each attribute in ``data``."""
    unpack, head, mask = uapi.NLATTR.unpack_from, uapi.NLATTR.size, uapi.NLA_TYPE_MASK
    offset, last = 0, len(data) - head
    while offset <= last:
        length, kind = unpack(data, offset)
        if length < head:
            return
        yield kind & mask, data[offset + head : offset + length]
        offset += (length + 3) & ~3


def chosen(data: bytes, kinds: Container[int], start: int = 0) -> dict[int, bytes]:
    """Return the values of the attributes of ``kinds``, from byte ``start`` on; half the price of reading all."""
    unpack, head, mask = uapi.NLATTR.unpack_from, uapi.NLATTR.size, uapi.NLA_TYPE_MASK
    found: dict[int, bytes] = {}
    offset, last = start, len(data) - head
    while offset <= last:
        length, kind = unpack(data, offset)
        if length < head:
            break
        if kind & mask in kinds:
            found[kind & mask] = data[offset + head : offset + length]
        offset += (length + 3) & ~3
    return found


class Chooser:
    """Does what ``chosen`` does in half the time, for many messages of which most have their attributes alike.

    It remembers where the values of an earlier message of the same length were, and compares all heads at once.
    """

    def __init__(self, kinds: Container[int], start: int) -> None:
        self._kinds = kinds
        self._start = start
        self._seen: dict[int, _Layout] = {}  # by the length of the message

    def read(self, data: bytes) -> dict[int, bytes]:
        """Return the values of the chosen attributes, by their kind."""
        seen = self._seen.get(len(data))
        if seen is None or seen.heads.unpack_from(data, self._start) != seen.found:
            seen = self._seen[len(data)] = self._look(data)
        return {kind: data[place] for kind, place in seen.places}

    def _look(self, data: bytes) -> "_Layout":
        head, form, places = uapi.NLATTR.size, uapi.ORDER, list[tuple[int, slice]]()
        offset, last = self._start, len(data) - head
        while offset <= last:
            length, kind = uapi.NLATTR.unpack_from(data, offset)
            form += "HH"
            if length < head:
                break
            if kind & uapi.NLA_TYPE_MASK in self._kinds:
                places.append((kind & uapi.NLA_TYPE_MASK, slice(offset + head, offset + length)))
            step = (length + 3) & ~3
            form += f"{min(step, len(data) - offset) - head}x"
            offset += step
        heads = struct.Struct(form)
        return _Layout(heads, heads.unpack_from(data, self._start), places)


class _Layout(NamedTuple):
    """The heads of all attributes of a message, and the places of the values that are chosen."""

    heads: struct.Struct
    found: tuple[int, ...]
    places: list[tuple[int, slice]]


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Return a request with its header."""
    return uapi.NLMSGHDR.pack(uapi.NLMSGHDR.size + len(body), kind, uapi.NLM_F_REQUEST | flags, 1, 0) + body


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, flags, body) of each message in ``data``."""
    offset = 0
    while offset + uapi.NLMSGHDR.size <= len(data):
        length, kind, flags, _, _ = uapi.NLMSGHDR.unpack_from(data, offset)
        if length < uapi.NLMSGHDR.size:
            return
        yield kind, flags, data[offset + uapi.NLMSGHDR.size : offset + length]
        offset += (length + 3) & ~3


def error_number(payload: bytes) -> int:
    """Return the errno in the body of an NLMSG_ERROR message; 0 is an acknowledgement."""
    return -number(payload[:4], signed=True)


def check(number: int) -> None:
    """Raise the OSError of an errno that is not 0."""
    if number:
        raise OSError(number, os.strerror(number))
