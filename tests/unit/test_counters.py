"""Elements of sets that count packets, as the kernel lists them."""

import pytest

from netlink import uapi
from netlink.counters import Counted, read_counted
from netlink.wire import attribute

FLAGS = 3  # NFTA_SET_ELEM_FLAGS


def element(key: bytes, packets: int, left: int, *, timeout: bool = True, flags: bool = False) -> bytes:
    """Return an element as nf_tables_fill_setelem writes it; a timeout of 300 seconds has ``left`` milliseconds."""
    numbers = attribute(uapi.NFTA_COUNTER_BYTES, bytes(8))
    numbers += attribute(uapi.NFTA_COUNTER_PACKETS, packets.to_bytes(8, "big"))
    counter = attribute(uapi.NFTA_EXPR_NAME, b"counter\0") + attribute(uapi.NFTA_EXPR_DATA, numbers)
    body = attribute(uapi.NFTA_SET_ELEM_KEY, attribute(uapi.NFTA_DATA_VALUE, key))
    body += attribute(uapi.NFTA_SET_ELEM_EXPR, counter)
    if timeout:
        body += attribute(uapi.NFTA_SET_ELEM_TIMEOUT, (300_000).to_bytes(8, "big"))
        body += attribute(uapi.NFTA_SET_ELEM_EXPIRATION, left.to_bytes(8, "big"))
    if flags:
        body += attribute(FLAGS, bytes(4))
    return attribute(uapi.NFTA_LIST_ELEM, body)


USUAL = [element(bytes([number]) * 36, number, 299_000 - number) for number in range(1, 5)]
READ = [Counted(bytes([number]) * 36, number, (1000 + number) / 1000) for number in range(1, 5)]
ODD = {
    "usual": ([], []),
    "flags": ([element(b"f" * 36, 9, 300_000, flags=True)], [Counted(b"f" * 36, 9, 0.0)]),
    "another length": ([element(b"k" * 20, 7, 0)], [Counted(b"k" * 20, 7, 300.0)]),
    "no timeout": ([element(b"k" * 60, 7, 0, timeout=False)], [Counted(b"k" * 60, 7, 0.0)]),
}


@pytest.mark.parametrize("kind", ODD)
def test_elements_of_any_form_are_read(kind: str) -> None:
    """Usual ones are read together, and one of another form among them, also of the same length, changes nothing."""
    listed, read = ODD[kind]
    assert read_counted(b"".join([*USUAL, *listed])) == [*READ, *read]
    assert read_counted(b"".join([*listed, *USUAL])) == [*read, *READ]


def test_nothing_is_read_of_nothing() -> None:
    """A set without elements lists none."""
    assert list(read_counted(b"")) == []
