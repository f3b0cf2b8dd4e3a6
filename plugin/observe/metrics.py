"""The metrics of pynet, one declaration each: tables, checks, the dashboard's test and the scrape read them.

Names follow Prometheus' conventions: base units, ``_total`` for counters, ``_info`` for labels about labels. No label
has an address, and none grows without a bound that this module or a setting names.
"""

from enum import StrEnum
from typing import NamedTuple


class MetricType(StrEnum):
    """The types of Prometheus' text format that pynet uses."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


class Metric(NamedTuple):
    """A metric; ``help`` is one sentence, and ``labels`` are the names of its labels in order."""

    name: str
    kind: MetricType
    help: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series: a histogram and a summary have several."""
        suffixes = {MetricType.HISTOGRAM: ("_bucket", "_sum", "_count"), MetricType.SUMMARY: ("_sum", "_count")}
        return tuple(f"{self.name}{suffix}" for suffix in suffixes.get(self.kind, ("",)))


_NETWORK = ("network", "network_id")
_ENDPOINT = (*_NETWORK, "container", "endpoint")

BUILD = Metric(
    "pynet_build_info", MetricType.GAUGE, "Version and driver name of the running pynet; 1.", ("version", "driver")
)
START = Metric("pynet_start_time_seconds", MetricType.GAUGE, "When pynet began to serve, in seconds since 1970.")
CPU = Metric("pynet_process_cpu_seconds_total", MetricType.COUNTER, "CPU time of the process that serves.")
MEMORY = Metric("pynet_process_resident_memory_bytes", MetricType.GAUGE, "Memory of the process that serves.")
SCRAPE = Metric("pynet_scrape_cpu_seconds", MetricType.GAUGE, "CPU time of the last scrape that read new values.")
SCRAPE_ERRORS = Metric(
    "pynet_scrape_errors_total",
    MetricType.COUNTER,
    "Parts of scrapes that could not be read; the log says why.",
    ("part",),
)
HEALTH = Metric(
    "pynet_health_check_passed",
    MetricType.GAUGE,
    "Whether a check of pynet's health passed, 1 or 0; pynet status says why not.",
    ("check",),
)

NETWORKS = Metric("pynet_networks", MetricType.GAUGE, "Networks by mode.", ("mode",))
ENDPOINTS = Metric(
    "pynet_endpoints", MetricType.GAUGE, "Endpoints of a network, of containers that run or stopped.", _NETWORK
)
LEFT_OUT = Metric(
    "pynet_endpoints_without_series",
    MetricType.GAUGE,
    "Endpoints without series of their own (PYNET_METRICS_ENDPOINTS); the traffic of their network includes theirs.",
)

NETWORK_RECEIVED = Metric(
    "pynet_network_receive_bytes_total",
    MetricType.COUNTER,
    "Bytes to containers of a network since the first scrape.",
    _NETWORK,
)
NETWORK_SENT = Metric(
    "pynet_network_transmit_bytes_total",
    MetricType.COUNTER,
    "Bytes from containers of a network since the first scrape.",
    _NETWORK,
)
NETWORK_PACKETS_RECEIVED = Metric(
    "pynet_network_receive_packets_total",
    MetricType.COUNTER,
    "Packets to containers of a network since the first scrape.",
    _NETWORK,
)
NETWORK_PACKETS_SENT = Metric(
    "pynet_network_transmit_packets_total",
    MetricType.COUNTER,
    "Packets from containers of a network since the first scrape.",
    _NETWORK,
)
NETWORK_DROPS = Metric(
    "pynet_network_link_dropped_packets_total",
    MetricType.COUNTER,
    "Packets that links of containers of a network dropped since the first scrape, both ways.",
    _NETWORK,
)

RECEIVED = Metric("pynet_endpoint_receive_bytes_total", MetricType.COUNTER, "Bytes to a container.", _ENDPOINT)
SENT = Metric("pynet_endpoint_transmit_bytes_total", MetricType.COUNTER, "Bytes from a container.", _ENDPOINT)
PACKETS_RECEIVED = Metric(
    "pynet_endpoint_receive_packets_total", MetricType.COUNTER, "Packets to a container.", _ENDPOINT
)
PACKETS_SENT = Metric(
    "pynet_endpoint_transmit_packets_total", MetricType.COUNTER, "Packets from a container.", _ENDPOINT
)
DROPS_RECEIVED = Metric(
    "pynet_endpoint_receive_dropped_packets_total",
    MetricType.COUNTER,
    "Packets to a container that its link dropped.",
    _ENDPOINT,
)
DROPS_SENT = Metric(
    "pynet_endpoint_transmit_dropped_packets_total",
    MetricType.COUNTER,
    "Packets from a container that its link dropped.",
    _ENDPOINT,
)

PORTS = Metric("pynet_published_ports", MetricType.GAUGE, "Published ports of the containers of a network.", _NETWORK)
NETWORK_CONNECTIONS = Metric(
    "pynet_network_published_connections_total",
    MetricType.COUNTER,
    "Connections from outside to published ports of a network since the first scrape.",
    _NETWORK,
)
CONNECTIONS = Metric(
    "pynet_published_connections_total",
    MetricType.COUNTER,
    "Connections from outside to a published port since it was published.",
    (*_ENDPOINT, "protocol", "host_port", "port"),
)
PORTS_LEFT_OUT = Metric(
    "pynet_published_ports_without_series",
    MetricType.GAUGE,
    "Published ports without series of their own; that of their network includes their connections.",
)
SOCKETS = Metric("pynet_port_sockets", MetricType.GAUGE, "Sockets that hold published ports.")
MOST_SOCKETS = Metric("pynet_port_sockets_limit", MetricType.GAUGE, "Sockets that may hold published ports.")

REQUESTS = Metric(
    "pynet_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time for requests of the engine and of commands; the outcome is ok, refused (the caller's fault) or failed.",
    ("verb", "outcome"),
)
LAYERS = Metric(
    "pynet_request_layer_duration_seconds",
    MetricType.SUMMARY,
    "Time of requests below pynet, by layer: store, cluster, netlink, nft and so on.",
    ("layer",),
)

DROPS = Metric(
    "pynet_dropped_packets_total",
    MetricType.COUNTER,
    "Packets that pynet's tables dropped or refused, by reason; the guard drops what is sent as somebody else.",
    (*_NETWORK, "by", "reason"),
)
ADDRESSES = Metric(
    "pynet_pool_addresses",
    MetricType.GAUGE,
    "Addresses for containers of a network; the state is taken or free.",
    (*_NETWORK, "family", "state"),
)
CONNTRACK = Metric(
    "pynet_conntrack_entries", MetricType.GAUGE, "Connections that the kernel tracks, of the whole host."
)
MOST_CONNTRACK = Metric("pynet_conntrack_entries_limit", MetricType.GAUGE, "Connections that the kernel can track.")
CLUSTER_HOSTS = Metric(
    "pynet_cluster_hosts",
    MetricType.GAUGE,
    "Hosts that share the cluster store; the state is alive or dead.",
    ("state",),
)
CLUSTER_STORE = Metric(
    "pynet_cluster_store_up", MetricType.GAUGE, "Whether the cluster store answered this host last, 1 or 0."
)
TAKEOVERS_DUE = Metric(
    "pynet_cluster_takeovers_pending",
    MetricType.GAUGE,
    "Dead hosts in networks with pynet.takeover whose addresses this host releases when the time is over.",
)
TAKEOVERS = Metric(
    "pynet_cluster_takeovers_total", MetricType.COUNTER, "Dead hosts whose addresses this host has released."
)
CLOSED = Metric(
    "pynet_endpoints_closed",
    MetricType.GAUGE,
    "Containers of this host that are closed, as another host has their address since a takeover.",
)

REPAIRS = Metric("pynet_repairs_total", MetricType.COUNTER, "Repairs of changes that others made, by kind.", ("kind",))
FAILING = Metric(
    "pynet_findings_not_repaired", MetricType.GAUGE, "Differences that cannot be repaired, by kind.", ("kind",)
)
LOOKS = Metric("pynet_full_looks_total", MetricType.COUNTER, "Comparisons of all networks with the kernel.")
LAST_LOOK = Metric(
    "pynet_last_full_look_timestamp_seconds",
    MetricType.GAUGE,
    "When the last comparison of all networks ended; 0 for never.",
)

QUESTIONS = Metric(
    "pynet_resolver_questions_total",
    MetricType.COUNTER,
    "Questions to pynet's resolver: answered from names of containers (own), from its cache (cached) or by servers of "
    "the host (forwarded), refused, or failed.",
    ("outcome",),
)
RESOLVER_UP = Metric(
    "pynet_resolver_up",
    MetricType.GAUGE,
    "Whether pynet's resolver serves, 1 or 0; there is no value while no network has names.",
)
CACHED = Metric("pynet_resolver_cached_answers", MetricType.GAUGE, "Answers in the cache of pynet's resolver.")

METRICS: tuple[Metric, ...] = tuple(each for each in tuple(globals().values()) if isinstance(each, Metric))


def metrics_table() -> str:
    """Return the table of metrics in Markdown."""
    rows = [f"| `{one.name}` | {one.kind} | {_labels(one)} | {one.help} |" for one in METRICS]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)
