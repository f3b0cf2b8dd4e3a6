"""Counts the lines of Python that a call runs: a measure of work that does not depend on the machine."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(call: Callable[[], object], *folders: str) -> int:
    """Return how many lines ``call`` ran, below it included; with ``folders`` only lines of files in one of them."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "call" and folders and not any(folder in frame.f_code.co_filename for folder in folders):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    gc.disable()  # its callbacks, such as Hypothesis's, run lines of their own whenever it is due
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    return count
