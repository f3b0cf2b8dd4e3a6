"""Named locks."""

import threading

import pytest

from plugin.errors import Busy
from plugin.request.locks import LockName, Locks

A, B = LockName.network("a"), LockName.network("b")


def test_a_name_is_held_by_one() -> None:
    """A second request for the name gives up at the deadline with a sentence."""
    locks = Locks(deadline=0.01)

    with locks.hold(A), pytest.raises(Busy, match="network a is busy"), locks.hold(A):
        pytest.fail("held twice")


def test_other_names_are_free() -> None:
    """Requests for one network never wait for another's."""
    locks = Locks(deadline=0.01)

    with locks.hold(A), locks.hold(B, LockName.endpoint("c")):
        assert len(locks._locks) == 3


def test_nothing_stays_behind() -> None:
    """Locks exist while somebody holds or awaits them, also when the work or the wait fails."""
    locks = Locks(deadline=0.01)
    with locks.hold(A), pytest.raises(Busy), locks.hold(B, A):
        pytest.fail("held twice")

    assert locks._locks == {}


def test_waiters_go_one_after_the_other() -> None:
    """Twenty threads that count under one name lose no count."""
    locks, total = Locks(), [0]

    def count() -> None:
        for _ in range(50):
            with locks.hold(A):
                total[0] += 1

    threads = [threading.Thread(target=count) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [1000]
