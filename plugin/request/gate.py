"""Keeps requests waiting until the host is in line after a start; questions that need no state pass."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from netlink.deadline import remaining
from plugin.errors import Busy

T = TypeVar("T")

PATIENCE = 20.0  # seconds for a caller without a deadline
FREE = {  # verbs that need nothing of the kernel; the engine asks some of them under a lock
    "get_capabilities",
    "get_default_address_spaces",
    "gw_alloc_check",
    "allocate_network",
    "free_network",
    "endpoint_oper_info",
    "discover_new",
    "discover_delete",
    "status",
}


class Gate:
    """Closed until ``open`` is called."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._opened = threading.Event()

    def open(self) -> None:
        """Let everybody pass from now on."""
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether requests pass."""
        return self._opened.is_set()

    def pass_through(self) -> None:
        """Wait until it is open; raises ``Busy`` at the deadline of the request."""
        if not self._opened.is_set() and not self._opened.wait(remaining(self._patience)):
            raise Busy("pynet has just started and is still bringing the host in line; try again in a moment")

    def before(self, subject: T) -> T:
        """Return a stand-in for ``subject`` whose methods wait, except for those in ``FREE``."""
        return cast("T", _Behind(self, subject))


class _Behind:
    def __init__(self, gate: Gate, subject: object) -> None:
        self._gate = gate
        self._subject = subject

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._subject, name)
        if name in FREE:
            return method

        def call(*arguments: Any) -> Any:
            self._gate.pass_through()
            return method(*arguments)

        return call
