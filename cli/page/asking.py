"""Asks the running pynet for a page: GET verbs of a short list, and no others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cli.client.serving import ask
from cli.exit_codes import Unreachable
from handlers.routes import ROUTES

# The paths of the page, and the verbs behind them. A verb that this version does not have is not found.
VERBS = {
    "/api/about": "About",
    "/api/overview": "Overview",
    "/api/status": "Status",
    "/api/networks": "Networks",
    "/api/drops": "Drops",
    "/api/cluster": "ClusterStatus",
    "/api/findings": "Look",
}
CURSOR = "cursor"  # the only part of a query that is passed on


def verb_of(path: str) -> str | None:
    """Return the verb behind a path of the page; None for every other path, and for a verb that changes something."""
    verb = VERBS.get(path)
    return verb if verb in ROUTES and ROUTES[verb].method == "GET" else None


class Asking:
    """Asks on the socket that ``find`` names, and looks for it anew after pynet did not answer."""

    def __init__(self, find: Callable[[], Path]) -> None:
        self._find = find
        self._socket: Path | None = find()

    def __call__(self, verb: str, cursor: str) -> Mapping[str, Any]:
        """Return the reply to a verb.

        Raises:
            Unreachable: no pynet answers.
            PynetError: it refuses.
        """
        try:
            self._socket = self._socket or self._find()
            return ask(self._socket, verb, body={CURSOR: cursor} if cursor else None)
        except Unreachable:
            self._socket = None
            raise
