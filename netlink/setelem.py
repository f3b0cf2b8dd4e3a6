"""Elements of nftables sets and maps, written without libnftables.

libnftables lists the sets of a table before each change and takes text apart: 0.38 ms for the three elements of a
network, against 0.12 for the same as packed messages (best of 80, two cores, in tables as pynet writes them). Layout:
``struct nfgenmsg`` (linux/netfilter/nfnetlink.h), attributes NFTA_SET_ELEM_* (linux/netfilter/nf_tables.h). A batch is
one transaction.
"""

import errno
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from netlink import uapi
from netlink.errors import KernelError, kernel_errors
from netlink.uapi import NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NLMSG_ERROR
from netlink.wire import (
    attribute,
    attributes,
    error_number,
    message,
    messages,
    text,
)

_ADD, _DELETE = uapi.NFT_MSG_NEWSETELEM, uapi.NFT_MSG_DELSETELEM
LIST_TABLE, LIST_SET = uapi.NFTA_SET_ELEM_LIST_TABLE, uapi.NFTA_SET_ELEM_LIST_SET
LIST_ELEMENTS, LIST_ELEM, DATA_VALUE = uapi.NFTA_SET_ELEM_LIST_ELEMENTS, uapi.NFTA_LIST_ELEM, uapi.NFTA_DATA_VALUE
ELEM_KEY, ELEM_DATA, ELEM_KEY_END = uapi.NFTA_SET_ELEM_KEY, uapi.NFTA_SET_ELEM_DATA, uapi.NFTA_SET_ELEM_KEY_END
FAMILIES = {"inet": uapi.NFPROTO_INET, "bridge": uapi.NFPROTO_BRIDGE}
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}  # names that nft knows without /etc/protocols
_ADDRESSES: dict[str, type[IPv4Network | IPv6Network]] = {"ipv4_addr": IPv4Network, "ipv6_addr": IPv6Network}
_NUMBERS = {"nf_proto": {"ipv4": 2, "ipv6": 10}, "inet_proto": PROTOCOLS}
_ALONE: dict[tuple[str, ...], int] = {
    ("nf_proto",): 3
}  # bytes that pad a key of one part; in a concatenation they are part of it
_LONGEST = 15  # bytes of a link name, IFNAMSIZ - 1 (linux/if.h)
_NAME = re.compile(r'"[^\s"*\\\x00-\x1f\x7f]{1,15}"')  # nft takes a star for any name, and a backslash for an escape
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_RAW = re.compile(r"0x[0-9a-f]{32}(?:-0x[0-9a-f]{32})?|[0-9]{1,8}")
_PORT = re.compile(r"[0-9]{1,5}")
# What has the type, where nft takes no type but an expression.
_EXPRESSIONS = {"ifname": "iifname", "inet_service": "udp dport", "ipv4_addr": "ip saddr", "ipv6_addr": "ip6 saddr"}
AT_ONCE = 400  # elements a message: the length of an attribute has 16 bits, and an element takes up to 120 bytes
_ROOM = 1 << 20  # bytes, for a batch, and for the answers, which come before the sending returns


@dataclass(frozen=True, slots=True)
class SetType:
    """A set, or with ``data`` a map, by the nft types of its parts; "@th,64,128" is raw payload of 128 bits.

    Elements give raw payload as a number.
    """

    family: str
    name: str
    key: tuple[str, ...]
    data: tuple[str, ...] = ()
    interval: bool = False

    @property
    def declaration(self) -> str:
        """How nft declares it."""
        raw = any(part.startswith("@") for part in self.key)
        # nft knows raw payload by an expression only, and an expression has no place beside a type.
        key = f"typeof {' . '.join(_EXPRESSIONS.get(part, part) for part in self.key)}" if raw else ""
        kinds = " . ".join(self.key) + (f" : {' . '.join(self.data)}" if self.data else "")
        flags = " flags interval;" if self.interval else ""
        return f"{'map' if self.data else 'set'} {self.name} {{ {key or f'type {kinds}'};{flags} }}"


@dataclass(frozen=True, slots=True)
class ElementChange:
    """Elements in nft syntax (``"pn-1" . ipv4``, ``tcp . 80 : 10.0.0.2 . 8080``) that come to, or go from, a set."""

    add: bool
    of: SetType
    elements: Sequence[str]


class SetElements:
    """One socket; the caller sees to it that one thread at a time uses it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.port = 0  # netlink port of the socket, by which the kernel tells who changed something

    def change(self, table: str, changes: Iterable[ElementChange]) -> None:
        """Apply ``changes`` to sets of ``table`` in one transaction.

        Adding what is there changes nothing; deleting what is not there is refused.

        Raises:
            KernelError: ``Missing`` when there is no such table, set or element; nothing was changed.
        """
        bodies = _bodies(table, _together(changes))
        batch = b"".join([_frame(uapi.NFNL_MSG_BATCH_BEGIN), *bodies, _frame(uapi.NFNL_MSG_BATCH_END)])
        with kernel_errors(f"change elements of nftables table '{table}'"):
            sock = self._open()
            try:
                _make_room(sock, len(batch))
                sock.send(batch)
                self._read_answers(sock)
            except BaseException:
                self.close()  # what else it has to say belongs to nobody
                raise

    def has_table(self, family: str, table: str) -> bool:
        """Say whether there is such a table; it needs neither libnftables nor the nft command."""
        body = bytes([FAMILIES[family], 0, 0, 0]) + text(uapi.NFTA_TABLE_NAME, table)
        with kernel_errors(f"look for nftables table '{table}'"):
            sock = self._open()
            try:
                sock.send(message(uapi.NFT_MSG_GETTABLE, NLM_F_ACK, body))
                self._read_answers(sock)
            except FileNotFoundError:
                return False
            except BaseException:
                self.close()
                raise
        return True

    def generation(self) -> int:
        """Return the number of the ruleset, which every transaction of anybody raises (nf_tables_commit)."""
        with kernel_errors("ask for the generation of nftables"):
            sock = self._open()
            try:
                sock.send(message(uapi.NFT_MSG_GETGEN, 0, bytes(4)))
                return _generation(sock.recv(1 << 16, socket.MSG_DONTWAIT))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the socket."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _open(self) -> socket.socket:
        if self._socket is None:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_NETFILTER)
            sock.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, _ROOM)
            sock.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_CAP_ACK, 1)  # a refusal does not repeat the message
            sock.bind((0, 0))
            self.port = sock.getsockname()[0]
            self._socket = sock
        return self._socket

    @staticmethod
    def _read_answers(sock: socket.socket) -> None:
        """The kernel has done the work when the sending returns: what it has to say is there."""
        numbers = []
        with suppress(BlockingIOError):
            while True:
                answer = sock.recv(1 << 16, socket.MSG_DONTWAIT)
                numbers += [error_number(body) for kind, _, body in messages(answer) if kind == NLMSG_ERROR]
        refusal = next((number for number in numbers if number), 0 if numbers else errno.ENOBUFS)
        if refusal:
            raise OSError(refusal, os.strerror(refusal))


def _generation(answer: bytes) -> int:
    for kind, _, body in messages(answer):
        if kind == uapi.NFT_MSG_NEWGEN:
            return int.from_bytes(dict(attributes(body[4:]))[uapi.NFTA_GEN_ID], "big")
    refusal = next((error_number(body) for kind, _, body in messages(answer) if kind == NLMSG_ERROR), errno.EPROTO)
    raise OSError(refusal, os.strerror(refusal))


def _make_room(sock: socket.socket, size: int) -> None:
    """Let a message of ``size`` bytes be sent; the kernel counts what it needs to keep it too."""
    wanted = max(_ROOM, 2 * size)
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < wanted:
        sock.setsockopt(socket.SOL_SOCKET, uapi.SO_SNDBUFFORCE, wanted)


def _together(changes: Iterable[ElementChange]) -> list[ElementChange]:
    """Make one change of those of one set, in order: each message is answered, and the room for answers is finite."""
    together: dict[tuple[SetType, bool], list[str]] = {}
    for change in changes:
        together.setdefault((change.of, change.add), []).extend(change.elements)
    return [ElementChange(add, of, elements) for (of, add), elements in together.items()]


def _frame(kind: int) -> bytes:
    return message(kind, 0, bytes([0, 0]) + uapi.NFNL_SUBSYS_NFTABLES.to_bytes(2, "big"))


def _bodies(table: str, changes: Iterable[ElementChange]) -> Iterator[bytes]:
    for change in changes:
        head = bytes([FAMILIES[change.of.family], 0, 0, 0])
        head += text(LIST_TABLE, table) + text(LIST_SET, change.of.name)
        kind, flags = (_ADD, NLM_F_CREATE) if change.add else (_DELETE, 0)
        for first in range(0, len(change.elements), AT_ONCE):
            some = change.elements[first : first + AT_ONCE]
            listed = b"".join(_element(change.of, element) for element in some)
            yield message(kind, flags | NLM_F_ACK, head + attribute(LIST_ELEMENTS | NLA_F_NESTED, listed))


def check_element(of: SetType, element: str) -> None:
    """Raise ``KernelError`` for what is no element of the set, and would be something else in nft's language."""
    _element(of, element)


def _element(of: SetType, element: str) -> bytes:
    try:
        return _packed(of, element)
    except (ValueError, KeyError, OverflowError) as error:
        form = " . ".join(of.key) + (f" : {' . '.join(of.data)}" if of.data else "")
        raise KernelError(f"write {element!r} into nftables set '{of.name}': it is no {form}") from error


def _packed(of: SetType, element: str) -> bytes:
    words, _, data = element.partition(" : ")
    parts = list(zip(of.key, words.split(" . "), strict=True))
    key = b"".join([_pack(kind, word) for kind, word in parts])
    end = b"".join([_pack(kind, word, last=True) for kind, word in parts]) if of.interval else b""
    value = b"".join([_pack(kind, word) for kind, word in zip(of.data, data.split(" . ") if data else (), strict=True)])
    heads = _heads(len(key), len(end), len(value), padding=_ALONE.get(of.key, 0))
    return b"".join([heads[0], key, heads[1], end, heads[2], value])


@lru_cache(maxsize=64)
def _heads(*lengths: int, padding: int) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the key, the end and the data of an element with these lengths, all multiples of 4.

    ``padding`` is how much of the key is none of its value.
    """
    kinds = (ELEM_KEY, ELEM_KEY_END, ELEM_DATA)
    paddings = (padding, 0, 0)
    inner = [_head(kind, length, unused) for kind, length, unused in zip(kinds, lengths, paddings, strict=True)]
    total = sum(map(len, inner)) + sum(lengths)
    return _attribute(LIST_ELEM, total) + inner[0], inner[1], inner[2]


def _head(kind: int, length: int, padding: int) -> bytes:
    """Return the heads of a nest and of the value in it, and nothing for no value."""
    value = uapi.NLATTR.pack(4 + length - padding, DATA_VALUE)
    return _attribute(kind, len(value) + length) + value if length else b""


def _attribute(kind: int, length: int) -> bytes:
    return uapi.NLATTR.pack(4 + length, kind | NLA_F_NESTED)


@lru_cache(maxsize=4096)
def _pack(kind: str, word: str, *, last: bool = False) -> bytes:
    """Return one part of a key as it stands in the kernel's registers: network order, padded to four bytes.

    What is accepted here is a word of nft's language too, and no more than one.
    """
    if kind == "ifname":
        name = _word(_NAME, word)[1:-1].encode()
        if len(name) > _LONGEST:
            raise ValueError(word)
        return name.ljust(16, b"\0")
    if kind == "inet_service":
        return int(_word(_PORT, word)).to_bytes(2, "big") + b"\0\0"
    if kind in _ADDRESSES:
        network = _ADDRESSES[kind](word)
        if "%" in word:  # IPv6Network takes any text behind it, and gives it back
            raise ValueError(word)
        return (network.broadcast_address if last else network.network_address).packed
    if kind == "ether_addr":
        return bytes.fromhex(_word(_MAC, word).replace(":", "")) + b"\0\0"
    if kind.startswith("@"):
        size, number = int(kind.rpartition(",")[2]) // 8, _word(_RAW, word).split("-")[-1 if last else 0]
        return int(number, 0).to_bytes(size, "big").ljust(-(-size // 4) * 4, b"\0")
    return bytes([_NUMBERS[kind][word], 0, 0, 0])


def _word(form: re.Pattern[str], word: str) -> str:
    if not form.fullmatch(word):
        raise ValueError(word)
    return word
