"""The garbage collector looks at an object that stays once, and forgets no cycle for ever."""

import gc
import sys
from collections.abc import Iterator

import pytest

from cli.server.pauses import Exempted, exempt, put_off, resume, shorten_pauses


class Node:
    """An object that may refer to itself."""

    alive = 0

    def __init__(self) -> None:
        self.other: Node = self
        Node.alive += 1

    def __del__(self) -> None:
        Node.alive -= 1


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Shorten pauses for the time of a test."""
    shorten_pauses()
    yield
    gc.callbacks.remove(exempt)
    gc.unfreeze()


def test_what_survives_a_full_collection_is_not_looked_at_again() -> None:
    """Ten thousand objects that stay are among those of the first full collection, not of the second."""
    kept = [[number] for number in range(10_000)]
    gc.collect()

    assert gc.get_freeze_count() >= len(kept)
    assert len(gc.get_objects(generation=2)) < len(kept)


def test_a_cycle_that_was_exempted_is_collected_in_the_end() -> None:
    """A cycle that became garbage after it was exempted stays until exempted objects have become many more."""
    exempted, node = Exempted(growth=1.0, slack=1000), Node()
    gc.collect()
    del node
    exempted.look()
    exempted.look()
    assert Node.alive == 1
    kept = [[number] for number in range(2000)]
    gc.collect()
    exempted.look()

    assert (Node.alive, len(kept)) == (0, 2000)


def test_nothing_is_collected_while_pynet_starts() -> None:
    """What was made meanwhile is exempted afterwards, the collector works again, and calls wait as long as usual."""
    usual = sys.getswitchinterval()
    put_off()
    off, wait = gc.isenabled(), sys.getswitchinterval()
    kept = [[number] for number in range(10_000)]
    resume()

    assert (off, gc.isenabled()) == (False, True)
    assert wait < usual == sys.getswitchinterval()
    assert gc.get_freeze_count() >= len(kept)
