"""How verbs work: under the locks of the things they are about, and with an undo that succeeds now or later."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from netlink.errors import KernelError
from plugin.errors import Conflict, Failed, PynetError
from plugin.request.execution import commit
from plugin.request.locks import LockName, Locks
from plugin.request.retries import Owed, RetryQueue
from plugin.request.undo import Step, Undo, run_all
from plugin.store.base import StoreConflict

T = TypeVar("T")


class Work:
    """Holds locks for a verb, and tries again later when an undo or a removal fails."""

    def __init__(self, locks: Locks, retries: RetryQueue) -> None:
        self._locks = locks
        self._retries = retries
        self._left: dict[Owed, Sequence[Step]] = {}  # undo steps that failed; guarded by the locks of their requests

    @contextmanager
    def hold(self, *locks: LockName) -> Iterator[None]:
        """Hold ``locks``; errors of the kernel and of the store become sentences."""
        with as_failed(), self._locks.hold(*locks):
            yield

    @contextmanager
    def create(self, *locks: LockName, about: LockName | None = None) -> Iterator[Undo]:
        """Take back what the block made when it fails, or when its caller does not wait any more.

        Steps that cannot be taken back then are tried again later, at the latest before the next request ``about`` the
        same thing (by default the last of ``locks``): after that they would take away the things that it has made.

        Raises:
            Failed: the steps of an earlier request cannot be taken back even now.
        """
        with self.hold(*locks):
            owed = Owed.leftovers(about or locks[-1])
            if owed in self._left:
                self._take_back(owed)
            with Undo(partial(self._keep, owed, locks)) as undo:
                yield undo
                commit()

    def resume(self, owed: Owed) -> Undo:
        """Return a stack that begins with the steps that an earlier request could not take back.

        They do not run if this request succeeds, because it keeps the things that the earlier one had taken.
        """
        undo = Undo(partial(self._keep, owed, ()))
        for function, arguments in reversed(self._left.pop(owed, ())):
            undo.push(function, *arguments)
        self._retries.drop(owed)
        return undo

    def remove(self, owed: Owed, removal: Callable[[], T], *locks: LockName) -> T:
        """Return the result of ``removal``. One that fails is tried again later, as the engine never asks again."""
        try:
            with self.hold(*locks):
                result = removal()
                self._retries.drop(owed)
                return result
        except PynetError:
            self._retries.add(owed, lambda: self._remove_late(owed, removal, *locks))
            raise

    def _remove_late(self, owed: Owed, removal: Callable[[], object], *locks: LockName) -> None:
        with self.hold(*locks):
            if self._retries.pending(owed):
                removal()

    def _keep(self, owed: Owed, locks: Sequence[LockName], failed: Sequence[Step]) -> None:
        self._left[owed] = [*self._left.get(owed, ()), *failed]
        self._retries.add(owed, lambda: self._take_back_late(owed, locks))

    def _take_back_late(self, owed: Owed, locks: Sequence[LockName]) -> None:
        with self.hold(*locks):
            self._take_back(owed)

    def _take_back(self, owed: Owed) -> None:
        """Run the undo steps that an earlier request left; the caller holds its locks."""
        failed = run_all(self._left.get(owed, ()))
        if failed:
            self._left[owed] = [step for step, _ in failed]
            raise Failed(f"take back what an earlier request left of {owed.identity}: {failed[0][1]}")
        self._left.pop(owed, None)
        self._retries.drop(owed)


@contextmanager
def as_failed() -> Iterator[None]:
    """Turn an error of the kernel or of a concurrent writer into ``Failed``, with the sentence that the user reads."""
    try:
        yield
    except (KernelError, StoreConflict) as error:
        failed = Failed(str(error))
        for note in getattr(error, "__notes__", []):
            failed.add_note(note)
        raise failed from error


def refuse_difference(what: str, identity: str, *, same: bool) -> None:
    """Raise ``Conflict`` if the engine creates a thing again with other settings than before."""
    if not same:
        raise Conflict(f"{what} '{identity[:12]}' exists already with other settings")
