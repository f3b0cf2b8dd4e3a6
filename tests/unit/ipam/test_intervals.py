"""The set of runs behaves like a set of integers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.ipam.intervals import Intervals, free_block

numbers = st.integers(0, 24)
ranges = st.lists(st.tuples(numbers, st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=8)


def members(intervals: Intervals) -> set[int]:
    return {number for number in range(-2, 40) if number in intervals}


@settings(max_examples=60, deadline=None)
@given(ranges, st.lists(st.tuples(st.booleans(), numbers, st.integers(0, 5))))
def test_it_holds_what_a_set_would_hold(
    given_ranges: list[tuple[int, int]], steps: list[tuple[bool, int, int]]
) -> None:
    """After any additions and removals the members, and the number of runs, are those of a plain set."""
    intervals = Intervals.of(given_ranges)
    model = {number for first, last in given_ranges for number in range(first, last + 1)}
    for add, first, width in steps:
        (intervals.add if add else intervals.discard)(first, first + width)
        (model.update if add else model.difference_update)(range(first, first + width + 1))
    assert members(intervals) == model
    assert len(intervals) == sum(number - 1 not in model for number in model)


@settings(max_examples=60, deadline=None)
@given(ranges, numbers, numbers, st.sampled_from([1, 2, 4, 8]))
def test_a_free_block_is_the_lowest_one(taken: list[tuple[int, int]], first: int, last: int, size: int) -> None:
    """The block that is found is aligned, free, in range, and no lower one is."""
    intervals = Intervals.of(taken)
    model = members(intervals)
    blocks = [
        block
        for block in range(0, 40, size)
        if first <= block and block + size - 1 <= last and not model & set(range(block, block + size))
    ]
    assert free_block([intervals], first, last, size) == (blocks[0] if blocks else None)


@settings(max_examples=50, deadline=None)
@given(ranges, numbers, st.integers(0, 6))
def test_overlap_and_covers_agree_with_a_set(taken: list[tuple[int, int]], first: int, width: int) -> None:
    """One shared number is an overlap, and only all of them are a cover."""
    intervals = Intervals.of(taken)
    wanted = set(range(first, first + width + 1))
    assert (intervals.overlap(first, first + width) is not None) == bool(wanted & members(intervals))
    assert intervals.covers(first, first + width) == (wanted <= members(intervals))
