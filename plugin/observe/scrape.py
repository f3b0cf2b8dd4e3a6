"""Collects the values of all metrics when somebody asks for them; nothing is done between two scrapes.

A scrape takes no lock that requests take, and reads records as ``pynet network ls`` does.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from plugin.background.loop import Steady
from plugin.observe import metrics as m
from plugin.observe.page import Page

Parts = Mapping[str, Callable[[Page], object]]  # each adds its series; the names are for people


class Scrape:
    """``page`` belongs to one thread at a time. A part that fails leaves the others as they are, and is counted."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._steady, self._errors = Steady(), Counter[str]()

    def page(self) -> bytes:
        """Return the page, in the form in which many scrapers may get it."""
        begin, page = time.thread_time(), Page()
        for name, part in self._parts.items():
            if not self._steady.attempt(f"reading metrics of {name}", partial(part, page)):
                self._errors[name] += 1
        for name in self._parts:
            page.add(m.SCRAPE_ERRORS, self._errors[name], name)
        page.add(m.SCRAPE, time.thread_time() - begin)
        return page.text().encode()
