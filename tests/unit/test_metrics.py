"""The metrics: their declarations, their text, and what a scrape costs and bears."""

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from netlink.errors import KernelError
from netlink.statistics import LinkCounts
from plugin.engine.names import Known, Names
from plugin.firewall.elements import translation
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Published
from plugin.observe import metrics as m
from plugin.observe.counters import TrafficReader
from plugin.observe.metrics import METRICS, Metric, MetricType
from plugin.observe.network_series import NetworkSeries
from plugin.observe.page import Page
from plugin.observe.recent import SHORTEST, Recent
from plugin.observe.request_times import OK, RequestTimes
from plugin.observe.scrape import Parts, Scrape
from plugin.observe.totals import Totals
from plugin.store.base import Put
from plugin.store.memory import MemoryStore
from tests.fake_statistics import FakeStatistics

BASE_UNITS = ("_seconds", "_bytes", "_info")
FORBIDDEN = ("milliseconds", "_ms", "kilobytes", "_count_total", "address", "_ip")
SERIES = re.compile(r'(?P<name>\w+)(?:\{(?P<labels>(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (?P<value>[\d.e+-]+)')


def series(text: str) -> dict[tuple[str, str], float]:
    """Read a page strictly: every line that is no comment is a series, and none comes twice."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    matches = [SERIES.fullmatch(line) for line in lines]
    found = {(match["name"], match["labels"] or ""): float(match["value"]) for match in matches if match}
    assert len(found) == len(lines), text
    return found


class Shop:
    """A store with network "n" and ``count`` endpoints, and counters of their links that a test sets."""

    def __init__(self, count: int, most: int = 1000, known: Known | None = None) -> None:
        self.store, self.kernel = MemoryStore(), FakeStatistics()
        self.names = Names(lambda: known or Known())
        self.names.expect()
        self.names.look()
        traffic = TrafficReader(self.store, self.kernel, "pynet")
        self.series = NetworkSeries(self.store, self.names, traffic.of, most)
        self.store.transact(Put(Network("n", "bridge", "pn-n")), *map(Put, map(self.end, range(count))))

    def end(self, number: int) -> Endpoint:
        return Endpoint(f"e{number}", "n", "02:00:00:00:00:01")

    def carried(self, number: int, octets: int) -> None:
        """Set how many bytes the host end of a link has sent."""
        self.kernel.of_links[host_link_name(f"e{number}")] = LinkCounts(0, 0, 0, octets, 0, 0, 0, 0)

    def page(self) -> dict[tuple[str, str], float]:
        page = Page()
        self.series.write(page)
        return series(page.text())

    def of_network(self) -> float:
        """Return the bytes to the network's containers."""
        return self.page()[m.NETWORK_RECEIVED.name, 'network="n",network_id="n"']


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    """A counter ends with _total and nothing else does; units are base units; the help is a sentence."""
    assert re.fullmatch(r"pynet_[a-z_]+[a-z]", metric.name)
    assert (metric.kind is MetricType.COUNTER) is metric.name.endswith("_total")
    assert not any(bad in f"{metric.name.removesuffix('_addresses')} {' '.join(metric.labels)}" for bad in FORBIDDEN)
    assert re.fullmatch(r"[A-Z].*\.", metric.help)
    assert all(re.fullmatch(r"[a-z_]+", label) and label not in {"le", "job", "instance"} for label in metric.labels)


def test_names_are_declared_once() -> None:
    """No two metrics share a series, of which a histogram has three."""
    every = [name for metric in METRICS for name in metric.series]

    assert len(every) == len(set(every))


def test_texts_are_escaped() -> None:
    """A backslash, a quote and a line break in a value are read back as they were."""
    page = Page()
    page.add(m.BUILD, 1, 'a\\b"c\nd', "pynet")

    assert page.text().splitlines()[2] == r'pynet_build_info{version="a\\b\"c\nd",driver="pynet"} 1'


def test_requests_are_counted_in_buckets() -> None:
    """Buckets are cumulative, the last one has all, and layers have their sum."""
    times, page = RequestTimes(), Page()
    for seconds in (0.0005, 0.03, 90.0):
        times.observe("NetworkDriver.Join", OK, seconds, {"store": seconds / 2})
    times.write(page)
    found, of = series(page.text()), 'verb="NetworkDriver.Join",outcome="ok"'

    name = "pynet_request_duration_seconds"
    assert [found[f"{name}_bucket", f'{of},le="{le}"'] for le in ("0.001", "0.05", "20.0", "+Inf")] == [1, 2, 2, 3]
    assert (found[f"{name}_count", of], found[f"{name}_sum", of]) == (3, 90.0305)
    assert found["pynet_request_layer_duration_seconds_count", 'layer="store"'] == 3


def test_names_of_the_engine_are_labels() -> None:
    """Names of the engine are labels beside the short ids; what it does not know has its short id instead."""
    shop = Shop(2, known=Known({"n": "shop"}, {"e0": "web"}))
    shop.carried(0, 7)
    shop.carried(1, 9)
    found = shop.page()

    assert found[m.RECEIVED.name, 'network="shop",network_id="n",container="web",endpoint="e0"'] == 7
    assert found[m.RECEIVED.name, 'network="shop",network_id="n",container="e1",endpoint="e1"'] == 9


@pytest.mark.parametrize(("most", "shown"), [(0, 0), (2, 2), (5, 5), (9, 5)])
def test_the_number_of_series_is_bounded(most: int, shown: int) -> None:
    """Beyond the setting there are only the totals of the network, and a metric tells how many were left out."""
    shop = Shop(5, most)
    for number in range(5):
        shop.carried(number, 1)
    found = shop.page()

    assert sum(name == m.RECEIVED.name for name, _ in found) == shown
    assert found[m.LEFT_OUT.name, ""] == 5 - shown


def test_an_endpoint_with_series_keeps_them() -> None:
    """A new endpoint whose id comes first takes nobody's place."""
    shop = Shop(2, 2)
    before = {labels for name, labels in shop.page() if name == m.RECEIVED.name}
    shop.store.transact(Put(Endpoint("a", "n", "02:00:00:00:00:02")))

    assert {labels for name, labels in shop.page() if name == m.RECEIVED.name} == before


def test_a_total_never_shrinks() -> None:
    """The sum of a network goes on when an endpoint goes and when a link is made again, and begins at 0."""
    shop = Shop(2)
    shop.carried(0, 100)
    shop.carried(1, 50)
    seen = [shop.of_network()]
    shop.carried(0, 130)
    seen.append(shop.of_network())
    shop.carried(1, 5)  # made again
    seen.append(shop.of_network())
    del shop.kernel.of_links[host_link_name("e0")]
    seen.append(shop.of_network())

    assert seen == [0, 30, 35, 35]


def test_totals_of_networks_that_are_gone_are_forgotten() -> None:
    """Networks that come and go do not stay in memory."""
    totals = Totals[str](1)
    for count in (1, 3):
        totals.add({"link": "n"}, {"link": (count,)})
    before = totals.of("n")
    totals.keep({})

    assert (before, totals.of("n")) == ([2], (0,))


def published(shop: Shop, *ports: int) -> None:
    """Publish ports of the first endpoint; each has had as many connections as its number says."""
    target, host = ip_address("10.9.0.2"), ip_address("0.0.0.0")
    every = tuple(Published(6, 80, target, host, port) for port in ports)
    shop.store.transact(Put(replace(shop.end(0), published=every)))
    shop.kernel.of_elements = {one: each.host_port for each in every if (one := translation(each))}


def test_connections_of_published_ports_are_counted() -> None:
    """Each port has a series up to the setting, and the total of the network goes on when one is withdrawn."""
    shop = Shop(1, 2)
    published(shop, 81, 82, 83)
    first = shop.page()
    published(shop, 81, 84)
    second = shop.page()

    name, site = m.CONNECTIONS.name, 'network="n",network_id="n",container="e0",endpoint="e0"'
    assert [count for (one, _), count in first.items() if one == name] == [81, 82]
    assert second[name, f'{site},protocol="tcp",host_port="84",port="80"'] == 84
    assert (first[m.PORTS_LEFT_OUT.name, ""], first[m.PORTS.name, 'network="n",network_id="n"']) == (1, 3)
    assert [each[m.NETWORK_CONNECTIONS.name, 'network="n",network_id="n"'] for each in (first, second)] == [0, 84]


def broken(error: Exception) -> Callable[[Page], None]:
    """Return a part that cannot be read."""

    def part(_: Page) -> None:
        raise error

    return part


def test_a_part_that_fails_leaves_the_others() -> None:
    """Whatever cannot be read is missing and counted, and the page has the rest."""
    parts: Parts = {"a": broken(KernelError("no")), "b": lambda page: page.add(m.LOOKS, 3)}
    found = series(Scrape(parts).page().decode())

    assert found[m.LOOKS.name, ""] == 3
    assert (found[m.SCRAPE_ERRORS.name, 'part="a"'], found[m.SCRAPE_ERRORS.name, 'part="b"']) == (1, 0)


def test_scrapes_too_soon_get_the_same_page() -> None:
    """Any number of scrapers cost one reading a second."""
    now, readings = [100.0], list[Page]()
    recent = Recent("metrics are", Scrape({"a": readings.append}).page, lambda: now[0])
    pages = {recent.get() for _ in range(9)}
    now[0] += SHORTEST + 10
    recent.get()

    assert (len(pages), len(readings)) == (1, 2)
