"""How verbs work: under the locks of what they are about, with what takes back a failure, now or later."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from plugin.errors import Failed, PynetError
from plugin.request.execution import commit
from plugin.request.locks import Locks
from plugin.request.refusals import as_failed
from plugin.request.retries import RetryQueue
from plugin.request.undo import Step, Undo, run_all

T = TypeVar("T")


class Work:
    """What could not be done for a request that has failed is owed, by the name of what the request was about."""

    def __init__(self, locks: Locks, debts: RetryQueue) -> None:
        self._locks = locks
        self._debts = debts
        self._left: dict[str, Sequence[Step]] = {}  # what could not be taken back yet; guarded by the locks of each

    @contextmanager
    def hold(self, *locks: str) -> Iterator[None]:
        """Hold ``locks``; what the kernel or the store refuses becomes a sentence."""
        with as_failed(), self._locks.hold(*locks):
            yield

    @contextmanager
    def create(self, *locks: str, about: str = "") -> Iterator[Undo]:
        """Take back what is done when it fails, or when nobody waits for it any more.

        What cannot be taken back then is taken back later, and at the latest before the next request creates something
        ``about`` the same (the last of ``locks``): after that it would be taken from that one.

        Raises:
            Failed: what an earlier request left cannot be taken back even now.
        """
        about = about or locks[-1]
        with self.hold(*locks):
            self.settle(about)
            with self.undo(about, *locks) as undo:
                yield undo
                commit()

    def undo(self, about: str, *locks: str) -> Undo:
        """Return a stack whose failures are owed, and repeated under ``locks``."""
        return Undo(lambda steps: self._owe(about, steps, locks))

    def resume(self, about: str) -> Undo:
        """Return a stack that begins with what an earlier request ``about`` the same could not take back.

        Where this request succeeds it stays: what the earlier one took is this one's.
        """
        undo = self.undo(about)
        for function, arguments in reversed(self._left.pop(about, ())):
            undo.push(function, *arguments)
        self._debts.forgive(_owed(about))
        return undo

    def settle(self, about: str) -> None:
        """Take back what an earlier request ``about`` the same could not; raises ``Failed`` when it still cannot be.

        The caller holds the locks of the request.
        """
        steps = self._left.get(about)
        if steps is None:
            return
        failed = run_all(steps)
        if failed:
            self._left[about] = [step for step, _ in failed]
            raise Failed(f"take back what an earlier request left of {about}: {failed[0][1]}")
        self._left.pop(about, None)
        self._debts.forgive(_owed(about))

    def remove(self, name: str, removal: Callable[[], T], *locks: str) -> T:
        """Remove now, or later when that fails: the engine never asks again. Returns the result of ``removal``."""
        try:
            with self.hold(*locks):
                result = removal()
                self._debts.forgive(name)
                return result
        except PynetError:
            self._debts.owe(name, lambda: self._remove_owed(name, removal, *locks))
            raise

    def _remove_owed(self, name: str, removal: Callable[[], object], *locks: str) -> None:
        with self.hold(*locks):
            if self._debts.owes(name):
                removal()

    def _owe(self, about: str, steps: Sequence[Step], locks: Sequence[str]) -> None:
        self._left[about] = [*self._left.get(about, ()), *steps]
        self._debts.owe(_owed(about), lambda: self._settle_owed(about, locks))

    def _settle_owed(self, about: str, locks: Sequence[str]) -> None:
        with self.hold(*locks):
            self.settle(about)


def _owed(about: str) -> str:
    return f"what a failed request left of {about}"
