"""Puts the metrics together: hands the parts of a running pynet to the room that collects them."""

import time
from functools import partial

from cli.server.answers import own_version
from cli.server.wiring import Host, Pynet
from cli.settings import Settings
from netlink.link_traffic import LinkCounters
from plugin.observe.network_series import NetworkSeries
from plugin.observe.request_times import RequestTimes
from plugin.observe.scrape import Scrape
from plugin.observe.service_series import Identity, write_conntrack, write_state


def scrape(settings: Settings, host: Host, pynet: Pynet, times: RequestTimes) -> Scrape:
    """Return the scrape of this process."""
    networks = NetworkSeries(host.store, host.names, LinkCounters().read, settings.metrics_endpoints)
    return Scrape(
        {
            "process": Identity(own_version(), settings.name, time.time()).write,
            "requests": times.write,
            "networks": networks.write,
            "repairs": partial(write_state, pynet.reconciler.status, host.names),
            "conntrack": partial(write_conntrack, host.kernel.read_setting),
        }
    )
