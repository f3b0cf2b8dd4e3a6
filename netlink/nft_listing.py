"""Lists nftables tables without libnftables, as bytes that can be compared.

libnftables decodes all that is in a table. CPU seconds with 20,000 elements: 0.32 for its JSON, 0.015 here;
for the static parts of pynet's two tables, 0.13 for its text, which grows with the elements, and 0.004 here.
"""

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from netlink import uapi
from netlink.dump import dump
from netlink.errors import Missing, kernel_errors
from netlink.nft_elements import FAMILIES, NamedSet
from netlink.wire import attribute, attributes, text


class Kind(NamedTuple):
    """A kind of object of a table: how it is asked for, the attribute that names its table, and those that are static.

    Handles are not: the kernel gives new ones whenever a table is written. Nor are numbers of users.
    """

    request: int
    table: int
    static: frozenset[int]


_COUNTER = b"counter\0"
_NUMBER = 12  # bytes of an attribute with a number of packets or bytes
# What the kernel lists around the two numbers of an element's counter (nf_tables_fill_setelem, nft_counter_do_dump).
_COUNTER_HEADS = (
    uapi.NLATTR.pack(8 + 4 + len(_COUNTER) + 2 * _NUMBER, uapi.NFTA_SET_ELEM_EXPR)
    + attribute(uapi.NFTA_EXPR_NAME, _COUNTER)
    + uapi.NLATTR.pack(4 + 2 * _NUMBER, uapi.NFTA_EXPR_DATA)
    + uapi.NLATTR.pack(_NUMBER, uapi.NFTA_COUNTER_BYTES),
    uapi.NLATTR.pack(_NUMBER, uapi.NFTA_COUNTER_PACKETS),
)
_TABLE = Kind(uapi.NFT_MSG_GETTABLE, uapi.NFTA_TABLE_NAME, frozenset({uapi.NFTA_TABLE_NAME, uapi.NFTA_TABLE_FLAGS}))
_CHAIN = Kind(
    uapi.NFT_MSG_GETCHAIN,
    uapi.NFTA_CHAIN_TABLE,
    frozenset(
        {
            uapi.NFTA_CHAIN_NAME,
            uapi.NFTA_CHAIN_HOOK,
            uapi.NFTA_CHAIN_POLICY,
            uapi.NFTA_CHAIN_TYPE,
            uapi.NFTA_CHAIN_FLAGS,
        }
    ),
)
_RULE = Kind(uapi.NFT_MSG_GETRULE, uapi.NFTA_RULE_TABLE, frozenset({uapi.NFTA_RULE_CHAIN, uapi.NFTA_RULE_USERDATA}))
_SET = Kind(
    uapi.NFT_MSG_GETSET,
    uapi.NFTA_SET_TABLE,
    frozenset(
        {uapi.NFTA_SET_NAME, uapi.NFTA_SET_FLAGS, uapi.NFTA_SET_KEY_TYPE, uapi.NFTA_SET_KEY_LEN}
        | {uapi.NFTA_SET_DATA_TYPE, uapi.NFTA_SET_DATA_LEN, uapi.NFTA_SET_DESC}
        | {uapi.NFTA_SET_TIMEOUT, uapi.NFTA_SET_USERDATA, uapi.NFTA_SET_EXPR}
    ),
)


def static_parts(table: str) -> list[bytes]:
    """Return all that is in the tables of that name, except for elements of named sets and values of counters.

    Raises:
        Missing: one of the tables is not there.
        KernelError: the kernel refused.
    """
    with kernel_errors(f"list nftables tables '{table}'"):
        return [part for family in FAMILIES for part in _of_family(family, table)]


def elements(table: str, of: NamedSet) -> list[bytes]:
    """Return the elements of a set as ``netlink.nft_elements.Element`` packs them.

    Raises:
        Missing: there is no such table or set.
        KernelError: the kernel refused.
    """
    return [element for body in _bodies(table, of) for element in read_elements(of, body)]


def counts(table: str, of: NamedSet) -> dict[bytes, int]:
    """Return how many packets found each element of a counted set, by the element as it is packed.

    Raises:
        Missing: there is no such table or set.
        KernelError: the kernel refused.
    """
    return {element: packets for body in _bodies(table, of) for element, packets in _read_counted(of, body)}


def read_elements(of: NamedSet, body: bytes) -> list[bytes]:
    """Return the elements in NFTA_SET_ELEM_LIST_ELEMENTS of the kernel.

    Elements with the usual attributes all have one length and are taken apart together. One with more, such as a
    timeout or a comment, is taken apart by its attributes.
    """
    if columns := _columns(of, body):
        return [b"".join(parts) for parts in zip(*columns[: -2 if of.counted else None], strict=True)]
    return [_read_element(of, dict(attributes(element))) for _, element in attributes(body)]


def _read_counted(of: NamedSet, body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each element with the packets that found it."""
    if columns := _columns(of, body):
        for *parts, _, packets in zip(*columns, strict=True):
            yield b"".join(parts), int.from_bytes(packets, "big")
        return
    for _, element in attributes(body):
        found = dict(attributes(element))
        yield _read_element(of, found), packets_of(found.get(uapi.NFTA_SET_ELEM_EXPR, b""))


def packets_of(expression: bytes) -> int:
    """Return the packets of a counter, 0 of any other expression."""
    found = dict(attributes(expression))
    if found.get(uapi.NFTA_EXPR_NAME) != _COUNTER:
        return 0
    return int.from_bytes(dict(attributes(found[uapi.NFTA_EXPR_DATA]))[uapi.NFTA_COUNTER_PACKETS], "big")


def _columns(of: NamedSet, body: bytes) -> list[tuple[bytes, ...]]:
    """Return the values of all elements by their place, nothing if an element has other attributes than usual."""
    shape, heads = _shape(of)
    if not body or len(body) % shape.size:
        return []
    columns = list(zip(*shape.iter_unpack(body), strict=True))
    usual = all(set(column) == {head} for column, head in zip(columns[::2], heads, strict=True))
    return columns[1::2] if usual else []


def _bodies(table: str, of: NamedSet) -> list[bytes]:
    with kernel_errors(f"list elements of nftables set '{of.family} {table} {of.name}'"):
        return _element_lists(of.family, table, of.name)


def _of_family(family: str, table: str) -> Iterator[bytes]:
    yield from _objects(family, table, _TABLE, [])
    for kind in (_CHAIN, _RULE):
        yield from _objects(family, table, kind, [])
    anonymous: list[str] = []
    yield from _objects(family, table, _SET, anonymous)
    for name in anonymous:  # in an order that the kernel draws anew for each
        yield from sorted(one for body in _element_lists(family, table, name) for _, one in attributes(body))


def _objects(family: str, table: str, kind: Kind, anonymous: list[str]) -> list[bytes]:
    """Return the static part of each object of one kind, and add the names of anonymous sets to ``anonymous``."""
    found: list[bytes] = []
    asked = bytes([FAMILIES[family], 0, 0, 0]) + text(kind.table, table)
    for body in dump(kind.request, asked, uapi.NETLINK_NETFILTER, kind.request - 1):
        own = dict(attributes(body[uapi.NFGENMSG :]))
        if own[kind.table] != table.encode() + b"\0":
            continue
        if kind is _SET and int.from_bytes(own.get(uapi.NFTA_SET_FLAGS, b""), "big") & uapi.NFT_SET_ANONYMOUS:
            anonymous.append(own[uapi.NFTA_SET_NAME].rstrip(b"\0").decode())
        part = b"".join([attribute(key, value) for key, value in own.items() if key in kind.static])
        found.append(part + b"".join(_expressions(own.get(uapi.NFTA_RULE_EXPRESSIONS, b""))) if kind is _RULE else part)
    if kind is _TABLE and not found:
        raise Missing(f"there is no nftables table '{family} {table}'")
    return found


def _expressions(body: bytes) -> Iterator[bytes]:
    """Yield the expressions of a rule, of a counter its name only."""
    for _, expression in attributes(body):
        name = dict(attributes(expression))[uapi.NFTA_EXPR_NAME]
        yield name if name == _COUNTER else expression


def _element_lists(family: str, table: str, name: str) -> list[bytes]:
    asked = bytes([FAMILIES[family], 0, 0, 0]) + text(uapi.NFTA_SET_ELEM_LIST_TABLE, table)
    asked += text(uapi.NFTA_SET_ELEM_LIST_SET, name)
    bodies = dump(uapi.NFT_MSG_GETSETELEM, asked, uapi.NETLINK_NETFILTER, uapi.NFT_MSG_NEWSETELEM)
    return [dict(attributes(body[uapi.NFGENMSG :])).get(uapi.NFTA_SET_ELEM_LIST_ELEMENTS, b"") for body in bodies]


@lru_cache(maxsize=64)
def _shape(of: NamedSet) -> tuple[struct.Struct, list[bytes]]:
    """Return how the kernel lists an element: heads and values by turns, and the bytes of the heads."""
    unpadded = of.key[0].length if len(of.key) == 1 else of.key_size
    size = sum(part.size for part in of.value)
    values = [(uapi.NFTA_SET_ELEM_KEY, of.key_size, unpadded)]
    values += [(uapi.NFTA_SET_ELEM_KEY_END, of.key_size, unpadded)] if of.interval else []
    values += [(uapi.NFTA_SET_ELEM_DATA, size, of.value[0].length if len(of.value) == 1 else size)] if of.value else []
    heads = [
        uapi.NLATTR.pack(8 + room, kind) + uapi.NLATTR.pack(4 + length, uapi.NFTA_DATA_VALUE)
        for kind, room, length in values
    ]
    form = "".join(f"{4 * (not place) + 8}s{room}s" for place, (_, room, _) in enumerate(values))
    if of.counted:
        heads += _COUNTER_HEADS
        form += "".join(f"{len(head)}s8s" for head in _COUNTER_HEADS)
    shape = struct.Struct(f"={form}")
    return shape, [uapi.NLATTR.pack(shape.size, uapi.NFTA_LIST_ELEM) + heads[0], *heads[1:]]


def _read_element(of: NamedSet, found: Mapping[int, bytes]) -> bytes:
    """Return the element with these attributes as it is packed; one that matches everything has no key."""
    key, value = (_value(found.get(kind, b"")) for kind in (uapi.NFTA_SET_ELEM_KEY, uapi.NFTA_SET_ELEM_DATA))
    end = _value(found[uapi.NFTA_SET_ELEM_KEY_END]) if uapi.NFTA_SET_ELEM_KEY_END in found else key
    return key + (end if of.interval else b"") + value


def _value(nest: bytes) -> bytes:
    """Return the value in a nest, padded as in a packed element."""
    value = dict(attributes(nest)).get(uapi.NFTA_DATA_VALUE, b"")
    return value + bytes(-len(value) % 4)
