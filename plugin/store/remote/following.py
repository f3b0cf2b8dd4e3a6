"""The connection of a watch to a store that speaks HTTP: the next endpoint is tried after each failure."""

from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException

from plugin.errors import Failed
from plugin.store.base import StoreAway
from plugin.store.remote.http import HttpEndpoints, shut
from plugin.store.remote.subscriptions import Subscription

CONNECT = 2.0  # seconds for an endpoint to accept the connection of a watch


class EndpointFollower:
    """Begins with the endpoint that answered last."""

    def __init__(self, http: HttpEndpoints) -> None:
        self._http = http
        self._endpoint = http.first

    def follow(self, watch: Subscription, read: Callable[[HTTPConnection], object]) -> bool:
        """Connect and call ``read``, which returns when the server ends the watch; the end of ``watch`` wakes it.

        Returns:
            True, as there was a connection.

        Raises:
            StoreAway: the endpoint does not answer, or ended the watch with an error.
        """
        try:
            with closing(self._http.connect(self._endpoint, CONNECT)) as connection:
                watch.on_end(lambda: shut(connection))
                read(connection)
        except (OSError, HTTPException, ValueError, Failed) as error:
            # A server that lost its cluster also answers, with an error: another endpoint may know more.
            self._endpoint = (self._endpoint + 1) % len(self._http.address.endpoints)
            raise StoreAway(f"watch store '{self._http.address}': {error}") from error
        finally:
            watch.on_end(lambda: None)
        return True
