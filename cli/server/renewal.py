"""Decides when the worker ends so that a fresh one takes its place, which gives memory back.

Python returns memory in pieces of 1 MB, and after many networks nearly every piece still holds something small. With
1,000 networks of ten endpoints that came and went, 136 MB stay instead of 58. gunicorn's parent keeps the socket, so
calls wait in it for the half second between two workers.
"""

from collections.abc import Callable

MANY = 500  # owners of rules: networks, endpoints, and endpoints with ports; 600 of them leave 6 MB


class Renewal:
    """``kept`` returns how many owners of rules and held sockets there are now; a worker with any is never replaced.

    So a fresh worker stays until as many have come and gone again.
    """

    def __init__(self, kept: Callable[[], int], many: int = MANY) -> None:
        self._kept = kept
        self._many = many
        self._most = 0  # that were seen at a time

    def due(self) -> bool:
        """Return whether many have been kept and none is now; asked about once a second."""
        kept = self._kept()
        self._most = max(self._most, kept)
        return not kept and self._most >= self._many
