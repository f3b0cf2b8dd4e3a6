"""Keeps the pauses of Python's garbage collector short.

A full collection looks at every object while all threads wait: 0.13 s with 1,500 endpoints, and ten times as long with
ten times as many. But an object that survives one is part of what pynet remembers, and goes by its reference count.
"""

import gc
import sys
from typing import Any

from plugin.background.loop import Loop, every

HOUR = 3600.0  # seconds
QUICK, USUAL = 0.0005, 0.005  # seconds after which a thread has to let others go on; the second is Python's default
GROWTH, SLACK = 1.25, 50_000  # objects that may be exempted, against those that were left by a collection of all


def shorten_pauses() -> None:
    """Exempt the objects that survive a full collection from all later ones, so that each looks at new ones only."""
    gc.callbacks.append(exempt)


def put_off() -> None:
    """Collect nothing while pynet starts: nearly all that it makes then stays. Let calls go on while it computes.

    The engine's first call needs some twenty turns beside the thread that starts, each of which may take that long.
    """
    gc.disable()
    sys.setswitchinterval(QUICK)


def resume() -> None:
    """Exempt what the start has left, collect again, and let threads change as seldom as usual."""
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(USUAL)


def exempt(phase: str, info: dict[str, Any]) -> None:
    """Follow a collection (``gc.callbacks``)."""
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


class Exempted:
    """Collects exempted objects too, once they have become many more: a cycle of them would stay for ever.

    Connections of the relay that lasted leave such cycles. It is not done for nothing, because it also copies the
    memory that both processes share.
    """

    def __init__(self, growth: float = GROWTH, slack: int = SLACK) -> None:
        self._growth, self._slack = growth, slack
        self._left: float | None = None

    def start(self) -> Loop[float]:
        """Look every hour in a thread, and return the thread."""
        return Loop("memory", every(HOUR), lambda _: self.look()).start()

    def look(self) -> None:
        """Collect everything if there are many more exempted objects than before; the first look only counts."""
        if self._left is not None:
            if gc.get_freeze_count() <= self._growth * self._left + self._slack:
                return
            gc.unfreeze()
            gc.collect()
        self._left = gc.get_freeze_count()
