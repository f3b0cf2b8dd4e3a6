"""Collects the values of all metrics when somebody asks for them; nothing is done between two scrapes.

A scrape takes no lock that requests take, and reads records as ``pynet network ls`` does. Scrapes that follow each
other too soon get the same page, so that any number of scrapers together cost at most ``SHARE`` of a core.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from netlink.deadline import remaining
from plugin.background.loop import Steady
from plugin.errors import Busy
from plugin.observe import metrics as m
from plugin.observe.page import Page

SHARE = 0.05  # of a core
SHORTEST = 1.0  # seconds for which a page is good
PATIENCE = 5.0  # seconds to wait for another scrape
Parts = Mapping[str, Callable[[Page], object]]  # each adds its series; the names are for people


class Scrape:
    """``text`` may be called from any thread. A part that fails leaves the others as they are, and is counted."""

    def __init__(self, parts: Parts, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._guard = threading.Lock()  # guards everything below; one thread at a time collects
        self._page = ""
        self._good_until = 0.0
        self._steady, self._errors = Steady(), Counter[str]()

    def text(self) -> str:
        """Return the page; raises ``Busy`` if another scrape takes too long."""
        if not self._guard.acquire(timeout=remaining(PATIENCE)):
            raise Busy(f"metrics are not ready: another scrape has been reading them for more than {PATIENCE:g} s")
        try:
            if self._clock() >= self._good_until:
                begin = time.thread_time()
                self._page = self._collect(begin).text()
                self._good_until = self._clock() + max(SHORTEST, (time.thread_time() - begin) / SHARE)
            return self._page
        finally:
            self._guard.release()

    def _collect(self, begin: float) -> Page:
        page = Page()
        for name, part in self._parts.items():
            if not self._steady.attempt(f"reading metrics of {name}", partial(part, page)):
                self._errors[name] += 1
        for name in self._parts:
            page.add(m.SCRAPE_ERRORS, self._errors[name], name)
        page.add(m.SCRAPE, time.thread_time() - begin)
        return page
