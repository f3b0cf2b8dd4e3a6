"""The thread of the clients of DHCP, which exists as long as there is one."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address
from typing import TypeVar

from plugin.background.loop import Loop
from plugin.dhcp.client import Changed, Client
from plugin.dhcp.clients import Clients, ServerMacs
from plugin.dhcp.model import ClientIdentity, Lease4, NoServer
from plugin.dhcp.sockets import LinkSockets, OpenMessages, OpenProbes, Place
from plugin.errors import Failed

T = TypeVar("T")

LONGEST_WAIT = 300.0  # seconds; a wait does not count the time in which the machine sleeps, the clock does
ANSWER = 10.0  # seconds in which the thread takes a call


def steady_clock() -> Callable[[], float]:
    """Return a clock of seconds since 1970 that nobody sets, and that goes on while the machine sleeps."""
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + offset


class DhcpClient:
    """Serves any number of clients, see ``plugin.dhcp.model.Dhcp4``. Public methods may be called from any thread."""

    def __init__(self, open_messages: OpenMessages, open_probes: OpenProbes) -> None:
        self._sockets = partial(LinkSockets, open_messages, open_probes)
        self._clock = steady_clock()
        self._servers: ServerMacs = {}  # the thread's own
        self._guard = threading.Lock()  # guards _thread and _stopped
        self._thread: _Thread | None = None
        self._stopped = False

    @property
    def trouble(self) -> str:
        """The problem of the thread as a sentence, "" if it is well or there is none."""
        thread = self._thread
        return thread.loop.trouble if thread is not None else ""

    def acquire(
        self, link: str, identity: ClientIdentity, wish: IPv4Address | None, known: Lease4 | None, timeout: float
    ) -> Lease4:
        """Get a lease; with ``wish`` no other address is taken. See ``Dhcp4.acquire``."""
        answer: Future[Lease4] = Future()
        client = Client(link, identity, wish=wish, answer=answer)
        self._call(lambda clients: clients.begin(client, known))
        with suppress(TimeoutError):
            return answer.result(timeout)
        if not self._call(lambda clients: clients.give_up(client, timeout)):
            raise NoServer(f"pynet shuts down, and no DHCP server has answered on link '{link}'")
        return _prompt(answer)

    def keep(self, link: str, identity: ClientIdentity, lease: Lease4, changed: Changed, hear: str = "") -> None:
        """Renew a lease until ``drop``; ``changed`` must not wait. See ``Dhcp4.keep``."""
        client = Client(link, identity, changed=changed, hear=hear)
        self._call(lambda clients: clients.keep(client, lease))

    def drop(self, link: str, identity: ClientIdentity, *, release: Lease4 | None) -> None:
        """Stop keeping a lease, and give ``release`` back; raises ``KernelError`` if that cannot be sent."""
        done: Future[None] = Future()

        def drop(clients: Clients) -> None:
            try:
                clients.drop(link, identity, release)
                done.set_result(None)
            except Exception as error:  # noqa: BLE001 - the caller gets it
                done.set_exception(error)

        if self._call(drop):
            _prompt(done)

    def stop(self) -> None:
        """End the thread; leases stay as they are."""
        with self._guard:
            self._stopped, thread = True, self._thread
            if thread is not None:
                thread.call(None)
        if thread is not None:
            thread.loop.join(ANSWER)

    def _call(self, call: Callable[[Clients], object]) -> bool:
        """Let the thread carry something out, and start it if there is none; return False after ``stop``."""
        with self._guard:
            if self._stopped:
                return False
            if self._thread is None:
                sockets = self._sockets()
                self._thread = _Thread(Clients(sockets, self._clock, self._servers), sockets, self._may_end)
                self._thread.loop.start()
            self._thread.call(call)
            return True

    def _may_end(self, thread: "_Thread") -> bool:
        """Forget the thread and return True if nothing is left to do for it."""
        with self._guard:
            if thread.calls or thread.clients:
                return False
            self._thread = None
            return True


def _prompt(answer: "Future[T]") -> T:
    """Return an answer that the thread gives as soon as it has its turn; raises ``Failed`` if it never does."""
    try:
        return answer.result(ANSWER)
    except TimeoutError:
        raise Failed(f"the thread of DHCP has not answered within {ANSWER:.0f} s") from None


class _Thread:
    """One thread with its clients; it ends with the last one."""

    def __init__(self, clients: Clients, sockets: LinkSockets, may_end: Callable[["_Thread"], bool]) -> None:
        self.clients = clients
        self.calls: deque[Callable[[Clients], object] | None] = deque()
        self._sockets, self._may_end = sockets, may_end
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.loop: Loop[list[Place]] = Loop("dhcp", self._wait, self._work)

    def call(self, call: Callable[[Clients], object] | None) -> None:
        """Carry out ``call`` in the thread; with None it ends."""
        self.calls.append(call)
        os.eventfd_write(self._wake, 1)

    def _wait(self) -> list[Place] | None:
        """Return the sockets where something waits, as soon as there is something to do; None to end."""
        if not self.clients and not self.calls and self._may_end(self):
            self._close()
            return None
        seconds = 0.0 if self.calls else min(self.clients.next_moment(), LONGEST_WAIT)
        ready = self._sockets.wait(self._wake, seconds)
        with suppress(BlockingIOError):  # nobody rang
            os.eventfd_read(self._wake)
        if None in self.calls:
            self._close()
            return None
        return ready

    def _work(self, ready: list[Place]) -> None:
        while self.calls:
            call = self.calls.popleft()
            if call is not None:
                call(self.clients)
        self.clients.hear(ready)
        self.clients.go_on()

    def _close(self) -> None:
        self._sockets.close_all()
        os.close(self._wake)
