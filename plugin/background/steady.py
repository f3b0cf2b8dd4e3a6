"""Keeps background work going whatever fails, and logs each failure once."""

from collections.abc import Callable

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError

log = structlog.get_logger()

MOST = 1000  # failures that are remembered


class Steady:
    """Runs calls whose errors must not end the thread."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()  # the call, and its error

    def attempt(self, what: str, call: Callable[[], object]) -> bool:
        """Call, and return whether it succeeded; each error is logged once, until the call succeeds again."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - it is logged
            self._say(what, error)
            return False
        self._said = {said for said in self._said if said[0] != what}
        return True

    def _say(self, what: str, error: Exception) -> None:
        said = what, repr(error)
        if said in self._said:
            return
        if len(self._said) >= MOST:
            self._said.clear()
        self._said.add(said)
        if isinstance(error, KernelError | PynetError):
            log.warning(f"{what} failed, goes on", error=str(error))
        else:
            log.error(f"{what} failed, goes on", exc_info=error)
