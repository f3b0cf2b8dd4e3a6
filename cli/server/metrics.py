"""Puts monitoring together: hands the parts of a running pynet to the room that watches them."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cli.server.answers import own_version
from cli.server.metrics_port import MetricsPort, ServedText
from cli.server.wiring import Host, Pynet
from cli.settings import Settings
from handlers.admin import Watched
from handlers.health import health_reply
from handlers.routes import HEALTH, METRICS
from netlink.statistics import Statistics
from plugin.errors import PynetError
from plugin.observe.counters import TrafficReader
from plugin.observe.health import Condition, HealthCheck, Verdict, examine, write_health
from plugin.observe.health_checks import kernel_refuses, not_repaired, rules_lack, store_refuses
from plugin.observe.network_series import NetworkSeries
from plugin.observe.page import MEDIA_TYPE, Page
from plugin.observe.recent import Recent
from plugin.observe.request_times import RequestTimes
from plugin.observe.scrape import Parts, Scrape
from plugin.observe.service_series import Identity, write_conntrack, write_resolver, write_state

if TYPE_CHECKING:
    from cli.server.cluster import JoinedCluster

Verdicts = Callable[[], Sequence[Verdict]]


class Monitoring:
    """The metrics and the health of one pynet.

    ``trouble`` returns what is wrong with its threads, "" for nothing, and ``starting`` the same while it starts.
    """

    def __init__(
        self,
        settings: Settings,
        host: Host,
        pynet: Pynet,
        cluster: "JoinedCluster | None",
        trouble: Callable[[], str],
    ) -> None:
        self._settings, self._host, self._pynet, self._cluster = settings, host, pynet, cluster
        self._status = Recent("the status is", pynet.reconciler.status)
        self._times, self.traffic = RequestTimes(), TrafficReader(host.store, Statistics(), settings.name)
        self._health = Recent("the health is", partial(examine, self._checks(trouble)))
        self._page = Recent("metrics are", Scrape(self._parts()).page)
        self.watched = Watched(self._page.get, self._times, self._health.get)
        pages = {METRICS: partial(_metrics, self._page.get), HEALTH: partial(_health, self._health.get)}
        self.port = MetricsPort(settings.metrics, pages) if settings.metrics else None

    def _checks(self, trouble: Callable[[], str]) -> Mapping[str, HealthCheck]:
        host, pynet = self._host, self._pynet
        checks = {
            "serving": HealthCheck(trouble),
            "store": HealthCheck(partial(store_refuses, host.store, self._settings.state_dir)),
            "kernel": HealthCheck(partial(kernel_refuses, host.kernel)),
            "rules": HealthCheck(partial(rules_lack, pynet.firewall, host.nft, self._settings.name)),
            "repairs": HealthCheck(partial(not_repaired, self._status.get), Condition.DEGRADED),
        }
        if self._cluster is not None:
            checks["cluster"] = HealthCheck(self._cluster.trouble, Condition.DEGRADED)
        if self._settings.metrics is not None:
            checks["metrics"] = HealthCheck(lambda: self.port.problem if self.port else "", Condition.DEGRADED)
        return checks

    def _parts(self) -> Parts:
        host, most = self._host, self._settings.metrics_endpoints
        parts: dict[str, Callable[[Page], object]] = {
            "process": Identity(own_version(), self._settings.name, time.time()).write,
            "health": partial(write_health, self._health.get),
            "requests": self._times.write,
            "networks": NetworkSeries(host.store, host.names, self.traffic.of, most).write,
            "repairs": partial(write_state, self._status.get, host.names),
            "resolver": partial(write_resolver, self._pynet.resolver.report),
            "conntrack": partial(write_conntrack, host.kernel.read_setting),
        }
        if cluster := self._cluster:
            from plugin.observe.cluster_series import write_cluster, write_takeovers

            parts["cluster"] = partial(write_cluster, cluster.stores.shared, cluster.trouble)
            parts["takeovers"] = partial(write_takeovers, cluster.countdowns, cluster.taken_over, host.store)
        return parts


def _metrics(page: Callable[[], bytes]) -> ServedText:
    try:
        return ServedText(200, page(), MEDIA_TYPE)
    except PynetError as error:
        return ServedText(503, f"{error}\n".encode())


def _health(verdicts: Verdicts) -> ServedText:
    status, reply = health_reply(verdicts)
    return ServedText(status, f"{json.dumps(reply)}\n".encode(), "application/json")
