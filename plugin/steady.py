"""Going on in the background whatever happens, and saying once what it was."""

from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Steady:
    """Runs what must not end the thread that runs it."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def attempt(self, what: str, call: Callable[[], object]) -> bool:
        """Call, and say whether it went well; what went wrong is logged once, until it went well or is another."""
        try:
            call()
        except Exception as error:
            text = repr(error)
            if self._said.get(what) != text:
                self._said[what] = text
                log.exception(f"{what} failed, goes on")
            return False
        self._said.pop(what, None)
        return True
