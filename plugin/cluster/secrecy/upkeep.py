"""The thread that keeps the encrypted tunnels; there is none while this host has no encrypted network."""

import threading
from collections.abc import Callable, Mapping, Sequence

from netlink.errors import KernelError
from plugin.background.loop import Loop
from plugin.cluster.record_watch import RecordWatch
from plugin.cluster.secrecy.records import HostKeys
from plugin.cluster.secrecy.secrecy import Secrecy
from plugin.errors import PynetError
from plugin.store.base import SharedStore

PERIOD = 60.0  # seconds between two looks at the kernel
CHANGING = 1.0  # the least of them while keys are being changed, because the kernel does not tell of handshakes
LONGEST = 3600.0  # seconds of work after which the thread is stuck: each peer may wait for the kernel


class SecrecyUpkeep:
    """Starts and ends the thread, and the watch that hands the records of ``store`` over to ``secrecy.known``.

    ``ended`` is called at the end of the thread, in it, to close its socket.
    """

    def __init__(self, secrecy: Secrecy, store: SharedStore, ended: Callable[[], object]) -> None:
        self._secrecy = secrecy
        self._store = store
        self._ended = ended
        self._guard = threading.Lock()  # guards the two below
        self._loop: Loop[bool] | None = None
        self._watch: RecordWatch | None = None
        self._bell = threading.Event()
        self._stopped = False
        self._failure = ""  # of the last turn
        self._pause = CHANGING

    def start(self) -> "SecrecyUpkeep":
        """Work from now on, whenever there is something to do; return self."""
        self._secrecy.changed = self._secrecy.known.changed = self.wake
        self.wake()
        return self

    def wake(self) -> None:
        """Work soon."""
        self._bell.set()
        with self._guard:
            if self._loop is None and self._secrecy.used and not self._stopped:
                self._watch = RecordWatch(self._store, HostKeys, self._secrecy.known)
                self._watch.add("", now=False)
                self._watch.start()
                self._loop = Loop("secrecy", self._due, self._work, LONGEST).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._bell.set()
        if (loop := self._loop) is not None:
            loop.join(2)

    @property
    def trouble(self) -> str:
        """The problem of the thread as a sentence, "" if it is well or not needed."""
        loop = self._loop
        return loop.trouble if loop else ""

    def problems(self, names: Mapping[str, str]) -> Sequence[str]:
        """Return what is wrong with the encrypted tunnels, in sentences; ``names`` are those of hosts by id."""
        try:
            found = self._secrecy.problems(names)
        except (KernelError, PynetError) as error:
            found = [f"encrypted tunnels of this host: {error}"]
        return [*found, *filter(None, [self._failure])]

    def rotate(self) -> int:
        """Begin to change the keys of all hosts, as ``Secrecy.rotate`` does."""
        return self._secrecy.rotate()

    def _work(self, _due: bool) -> None:  # noqa: FBT001 - the loop passes what ``_due`` returned
        try:
            self._secrecy.sync()
        except (KernelError, PynetError) as error:
            self._failure = f"encrypted tunnels of this host: {error}"
            raise
        self._failure = ""

    def _due(self) -> bool | None:
        rung = self._bell.wait(self._pause if self._secrecy.busy else PERIOD)
        self._bell.clear()
        self._pause = CHANGING if rung else min(2 * self._pause, PERIOD)  # a host that is away may hold a change up
        with self._guard:
            if self._secrecy.used and not self._stopped:
                return True
            if self._watch is not None:
                self._watch.stop()
            self._loop = self._watch = None
        self._ended()
        return None
