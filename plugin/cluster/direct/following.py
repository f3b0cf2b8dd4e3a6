"""Follows the way to other hosts, while a network of this host is routed: a thread that listens to the kernel."""

import threading
from collections.abc import Callable, Collection

from netlink.underlay_bell import LOST
from plugin.background.loop import Loop
from plugin.interfaces import DirectRoutes

LISTEN = 5.0  # seconds after which the thread looks whether it has to end


class Following:
    """Calls ``changed`` after changes, with whether routes of pynet may be gone.

    ``links`` returns those by which hosts are reached now, and None once no network is routed: then the thread ends.
    """

    def __init__(
        self,
        routes: DirectRoutes,
        links: Callable[[], Collection[str] | None],
        changed: Callable[[bool], object],
    ) -> None:
        self._routes = routes
        self._links = links
        self._changed = changed
        self._guard = threading.Lock()  # guards _running
        self._running = False

    def start(self) -> None:
        """Start the thread unless it runs; raises ``KernelError`` if the kernel does not let it listen."""
        with self._guard:
            if self._running:
                return
            bell = self._routes.listen()
            self._running = True

        def wait() -> frozenset[str] | None:
            with self._guard:
                links = self._links()
                self._running = links is not None
            if links is None:
                bell.close()
                return None
            return bell.wait(LISTEN, links)

        def work(heard: frozenset[str]) -> None:
            if heard:
                self._changed(LOST in heard)

        Loop("underlay", wait, work).start()
