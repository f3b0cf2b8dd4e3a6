"""The serial line of a guest, over which guest and test send each other lines of JSON."""

import json
import os
from typing import Any

MARK = "\x1e"  # in front of words that are meant for the test; everything else is the guest's log
DEVICE = "/dev/ttyS0"


class SerialLine:
    """The end in the guest."""

    def __init__(self) -> None:
        self._line = os.open(DEVICE, os.O_RDWR | os.O_NOCTTY)
        self._words = os.fdopen(self._line, "rb", closefd=False)

    def send(self, data: Any) -> None:
        """Send a line to the test."""
        rest = f"{MARK}{json.dumps(data, default=str)}\n".encode()
        while rest:
            rest = rest[os.write(self._line, rest) :]

    def receive(self) -> Any:
        """Wait for a line of the test, and return what it says."""
        return json.loads(self._words.readline())
