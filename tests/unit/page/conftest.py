"""A page whose pynet has a few networks, served as the command serves it."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from cli.page.document import document
from cli.page.server import LOOPBACK, PageServer
from tests.unit.page.crowd import Crowd

TOKEN = "a-token-of-more-than-twenty-characters"


class Page:
    """A served page, and the pynet behind it."""

    def __init__(self, server: PageServer, crowd: Crowd) -> None:
        self.server, self.crowd = server, crowd
        self.address, self.port = server.address, server.server_port

    def get(self, path: str, method: str = "GET", **headers: str | None) -> tuple[int, dict[str, str], Any]:
        """Send a request with the right headers, but for ``headers``; return status, headers and JSON or text."""
        sent = {"Host": f"{LOOPBACK}:{self.port}", "Authorization": f"Bearer {TOKEN}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        left_out = {name.replace("_", "-") for name, value in headers.items() if value is None}
        with closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)) as connection:
            connection.putrequest(method, path, skip_host=True)
            for name in sent.keys() - left_out:
                connection.putheader(name, sent[name])
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read().decode()
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, dict(answer.getheaders()), json.loads(body) if is_json and body else body


@contextmanager
def served(networks: int = 4, each: int = 3) -> Iterator[Page]:
    """Serve a page until the end of the block."""
    crowd = Crowd(networks, each)
    with PageServer(0, document(), TOKEN, crowd) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Page(server, crowd)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of four networks with three containers each."""
    with served() as one:
        yield one
