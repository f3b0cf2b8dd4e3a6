"""The real application over an imaginary host."""

import pytest
from flask.testing import FlaskClient

from cli.server.answers import Answers
from cli.settings import read_settings
from handlers.app import create_app
from plugin.request.execution import WorkerPool
from tests.fakes import World

WORKERS = WorkerPool()  # one set for all services, as their threads stay


class Service:
    """A client of the application, and what lies behind it."""

    def __init__(self, workers: WorkerPool = WORKERS) -> None:
        self.world = World()
        settings = read_settings({"PYNET_STATE_DIR": "/nowhere", "PYNET_THREADS": "64"})
        service = Answers(settings, self.world.store, self.world.reconciler, self.world.dry_run.look)
        self.client: FlaskClient = create_app(self.world.driver, self.world.ipam, service, workers).test_client()

    def post(self, method: str, body: bytes | str = b"") -> tuple[int, dict[str, object]]:
        """Send a request as the engine does, without a content type; return status and reply."""
        with self.client.post(f"/{method}", data=body) as answer:  # the line is logged when the answer is closed
            reply = answer.get_json(force=True)
        assert isinstance(reply, dict)
        return answer.status_code, reply


@pytest.fixture
def service() -> Service:
    """Return a fresh service."""
    return Service()
