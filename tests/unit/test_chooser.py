"""Attributes of many messages, read by the layout of an earlier one."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from netlink.wire import Chooser, attribute, chosen

ATTRIBUTES = st.lists(st.tuples(st.integers(1, 4), st.binary(max_size=5)), max_size=4)


@given(st.lists(st.tuples(ATTRIBUTES, st.binary(max_size=6)), max_size=6))
def test_a_message_is_read_by_itself_whatever_came_before(
    messages: Sequence[tuple[list[tuple[int, bytes]], bytes]],
) -> None:
    """Messages of one length have the same or other attributes, and some end in the middle of one."""
    read = Chooser({1, 3}, 4).read

    for values, rest in messages:
        data = b"head" + b"".join(attribute(kind, value) for kind, value in values) + rest
        assert read(data) == chosen(data, {1, 3}, 4)


def test_values_of_another_message_are_never_taken() -> None:
    """The second message has the same length, and the same layout with other values; the third one differs."""
    read = Chooser({1}, 0).read
    one, two = attribute(2, b"b"), attribute(1, b"a")

    assert [read(one + two), read(one + attribute(1, b"c")), read(two + one)] == [{1: b"a"}, {1: b"c"}, {1: b"a"}]
