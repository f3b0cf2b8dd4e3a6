"""Looks at something that settles in the background and sends no event."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

Complaints = TypeVar("Complaints")

SLOWNESS = float(os.environ.get("SLOWNESS") or 1)  # of this machine; a guest, whose processor is emulated, has more


def settle(look: Callable[[], Complaints], seconds: float, pause: float = 0.1, slower: float = 1.0) -> Complaints:
    """Look until there is nothing to complain of, and return the complaints of the last look.

    A look shows its first moment, and takes many seconds on a busy machine; so the last one begins when the time is
    over, which is ``SLOWNESS`` times ``seconds``. Each pause, in seconds, is ``slower`` times the one before.
    """
    end, last = time.monotonic() + seconds * SLOWNESS, False
    while (complaints := look()) and not last:
        time.sleep(pause)
        pause *= slower
        last = time.monotonic() > end
    return complaints
