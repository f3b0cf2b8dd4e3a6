"""The real application over an imaginary host."""

import pytest
from flask.testing import FlaskClient

from cli.server.answers import Answers, Sources
from cli.server.log_ring import LogRing
from cli.server.overview import Overview
from cli.settings import read_settings
from handlers.admin import Watched, create_admin
from handlers.app import create_app
from handlers.routes import ROUTES
from plugin.observe.counters import TrafficReader
from plugin.observe.health import HealthCheck, examine
from plugin.observe.request_times import RequestTimes
from plugin.observe.scrape import Scrape
from plugin.protocol.drop_messages import DropReport
from plugin.request.execution import WorkerPool
from tests.fake_statistics import FakeStatistics
from tests.fakes import World

WORKERS = WorkerPool()  # one set for all services, as their threads stay


class Service:
    """Clients of both applications, and what lies behind them; ``user`` sends the requests of the commands."""

    def __init__(self, workers: WorkerPool = WORKERS) -> None:
        self.world = World()
        settings = read_settings({"PYNET_STATE_DIR": "/nowhere", "PYNET_THREADS": "64"})
        self.log, self.trouble, self.user = LogRing(), "", 0
        self.statistics, self.dropped = FakeStatistics(), list[DropReport]()
        traffic = TrafficReader(self.world.store, self.statistics, "pynet", lambda: 5.0)
        overview = Overview(self.world.store, self.world.names, self.statistics)
        sources = Sources(self.world.dry_run.look, self.log.since, traffic.read, overview.since, lambda: self.dropped)
        answers = Answers(settings, self.world.store, self.world.reconciler, sources, self.world.live)
        times = RequestTimes()
        page = Scrape({"requests": times.write}).page
        watched = Watched(page, times, lambda: examine({"serving": HealthCheck(lambda: self.trouble)}))
        admin = create_admin(answers, watched, workers, lambda: self.user)
        self.client: FlaskClient = create_app(self.world.driver, self.world.ipam, workers).test_client()
        self.admin: FlaskClient = admin.test_client()

    def post(self, method: str, body: bytes | str = b"") -> tuple[int, dict[str, object]]:
        """Send a request as the engine does, without a content type; return status and reply."""
        with self.client.post(f"/{method}", data=body) as answer:  # the line is logged when the answer is closed
            reply = answer.get_json(force=True)
        assert isinstance(reply, dict)
        return answer.status_code, reply

    def ask(self, verb: str, body: str = "", **query: str) -> tuple[int, dict[str, object]]:
        """Send one of pynet's own verbs as the command does; return status and reply."""
        method, path, _ = ROUTES[verb]
        with self.admin.open(path, method=method, data=body, query_string=query) as answer:
            reply = answer.get_json()
        assert isinstance(reply, dict)
        return answer.status_code, reply


@pytest.fixture
def service() -> Service:
    """Return a fresh service."""
    return Service()
