"""Writes packaging/grafana/pynet.json, the dashboard for Grafana 9 and later (``make lint`` calls it)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "packaging/grafana/pynet.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, LOW = 24, 8, 4  # of the grid, of a panel, and of a figure
HERE = 'instance=~"$instance"'
NET = f'{HERE},network=~"$network"'
END = f'{NET},container=~"$container"'
_SHOWN = {"hide": 0, "skipUrlSync": False}
_FIGURE = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
_GRAPH = {
    "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
NETWORK, CONTAINER = "{{network}}", "{{network}} / {{container}}"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and the legend of its series."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph, or with ``figure`` one value; ``unit`` is Grafana's id of a unit."""

    title: str
    unit: str
    queries: Sequence[Query]
    about: str = ""
    figure: bool = False


def rate(metric: str, matchers: str, by: str) -> str:
    """Return the sum of rates by labels."""
    return f"sum by ({by}) (rate({metric}{{{matchers}}}[$__rate_interval]))"


def graph(title: str, unit: str, expression: str, legend: str, about: str = "") -> Panel:
    """Return a graph of one query."""
    return Panel(title, unit, [Query(expression, legend)], about)


def figure(title: str, unit: str, expression: str, about: str = "") -> Panel:
    """Return one value."""
    return Panel(title, unit, [Query(expression, title)], about, figure=True)


def _quantile(share: float, by: str) -> str:
    buckets = rate("pynet_request_duration_seconds_bucket", HERE, f"le{by}")
    return f"histogram_quantile({share}, {buckets})"


def _mean(metric: str, by: str) -> str:
    return f"{rate(f'{metric}_sum', HERE, by)} / {rate(f'{metric}_count', HERE, by)}"


def _taken(matchers: str, by: str) -> str:
    taken = f'sum by ({by}) (pynet_pool_addresses{{{matchers},state="taken"}})'
    return f"{taken} / sum by ({by}) (pynet_pool_addresses{{{matchers}}})"


ROWS: dict[str, Sequence[Panel]] = {
    "Overview": (
        figure("Checks that did not pass", "short", f"sum(pynet_health_check_passed{{{HERE}}} == bool 0)"),
        figure("Networks", "short", f"sum(pynet_networks{{{HERE}}})"),
        figure("Endpoints", "short", f"sum(pynet_endpoints{{{NET}}})"),
        figure("Published ports", "short", f"sum(pynet_published_ports{{{NET}}})"),
        figure("Serving for", "s", f"time() - min(pynet_start_time_seconds{{{HERE}}})"),
        figure("Not repaired", "short", f"sum(pynet_findings_not_repaired{{{HERE}}}) or vector(0)"),
        graph(
            "CPU of pynet",
            "percentunit",
            f"rate(pynet_process_cpu_seconds_total{{{HERE}}}[$__rate_interval])",
            "{{instance}}",
        ),
        graph("Memory of pynet", "bytes", f"pynet_process_resident_memory_bytes{{{HERE}}}", "{{instance}}"),
        graph(
            "Versions", "short", f"count by (version, driver) (pynet_build_info{{{HERE}}})", "{{driver}} {{version}}"
        ),
    ),
    "Networks": (
        graph("Received by network", "Bps", rate("pynet_network_receive_bytes_total", NET, "network"), NETWORK),
        graph("Sent by network", "Bps", rate("pynet_network_transmit_bytes_total", NET, "network"), NETWORK),
        Panel(
            "Packets by network",
            "pps",
            [
                Query(rate("pynet_network_receive_packets_total", NET, "network"), f"{NETWORK} received"),
                Query(rate("pynet_network_transmit_packets_total", NET, "network"), f"{NETWORK} sent"),
            ],
        ),
        graph("Lost by links", "pps", rate("pynet_network_link_dropped_packets_total", NET, "network"), NETWORK),
        graph("Addresses taken", "percentunit", _taken(NET, "network, family"), f"{NETWORK} {{{{family}}}}"),
        graph("Endpoints by network", "short", f"sum by (network) (pynet_endpoints{{{NET}}})", NETWORK),
        graph("Networks by mode", "short", f"sum by (mode) (pynet_networks{{{HERE}}})", "{{mode}}"),
    ),
    "Containers": (
        graph("Received", "Bps", rate("pynet_endpoint_receive_bytes_total", END, "network, container"), CONTAINER),
        graph("Sent", "Bps", rate("pynet_endpoint_transmit_bytes_total", END, "network, container"), CONTAINER),
        graph(
            "Packets received",
            "pps",
            rate("pynet_endpoint_receive_packets_total", END, "network, container"),
            CONTAINER,
        ),
        graph(
            "Packets sent", "pps", rate("pynet_endpoint_transmit_packets_total", END, "network, container"), CONTAINER
        ),
        Panel(
            "Lost by the link of a container",
            "pps",
            [
                Query(
                    rate("pynet_endpoint_receive_dropped_packets_total", END, "network, container"),
                    f"{CONTAINER} received",
                ),
                Query(
                    rate("pynet_endpoint_transmit_dropped_packets_total", END, "network, container"),
                    f"{CONTAINER} sent",
                ),
            ],
        ),
        graph(
            "Without series of their own",
            "short",
            f"sum(pynet_endpoints_without_series{{{HERE}}})",
            "endpoints",
            "PYNET_METRICS_ENDPOINTS bounds the number of series; their traffic is in that of their network.",
        ),
    ),
    "Ports": (
        graph(
            "Connections by network", "cps", rate("pynet_network_published_connections_total", NET, "network"), NETWORK
        ),
        graph(
            "Connections by port",
            "cps",
            rate("pynet_published_connections_total", END, "container, protocol, host_port, port"),
            "{{host_port}}/{{protocol}} to {{container}}:{{port}}",
        ),
        graph("Published ports by network", "short", f"sum by (network) (pynet_published_ports{{{NET}}})", NETWORK),
        graph(
            "Sockets of ports",
            "percentunit",
            f"pynet_port_sockets{{{HERE}}} / pynet_port_sockets_limit{{{HERE}}}",
            "{{instance}}",
        ),
        graph(
            "Ports without series of their own",
            "short",
            f"sum(pynet_published_ports_without_series{{{HERE}}})",
            "ports",
        ),
    ),
    "Drops and policy": (
        graph(
            "By reason",
            "pps",
            rate("pynet_dropped_packets_total", HERE, "by, reason"),
            "{{by}}: {{reason}}",
            "pynet drops prints who was refused what; docs/guide/troubleshooting.md has the reasons.",
        ),
        graph("By network", "pps", rate("pynet_dropped_packets_total", HERE, "network"), NETWORK),
        graph(
            "Sent as somebody else",
            "pps",
            rate("pynet_dropped_packets_total", f'{HERE},by="guard"', "network, reason"),
            f"{NETWORK}: {{{{reason}}}}",
            "The guard drops them.",
        ),
    ),
    "Names": (
        graph(
            "Questions to the resolver",
            "reqps",
            rate("pynet_resolver_questions_total", HERE, "outcome"),
            "{{outcome}}",
            "Answered from names of containers (own), from the cache, or by servers of the host (forwarded).",
        ),
        graph("Answers in its cache", "short", f"pynet_resolver_cached_answers{{{HERE}}}", "{{instance}}"),
        graph("The resolver serves", "bool_yes_no", f"pynet_resolver_up{{{HERE}}}", "{{instance}}"),
    ),
    "Requests and latency": (
        graph("Requests", "reqps", rate("pynet_request_duration_seconds_count", HERE, "verb"), "{{verb}}"),
        graph(
            "Requests that did not succeed",
            "reqps",
            rate("pynet_request_duration_seconds_count", f'{HERE},outcome!="ok"', "verb, outcome"),
            "{{verb}} {{outcome}}",
        ),
        Panel("Duration", "s", [Query(_quantile(share, ""), f"{share:.0%} below") for share in (0.5, 0.95, 0.99)]),
        graph("Duration by verb, 95 % below", "s", _quantile(0.95, ", verb"), "{{verb}}"),
        graph(
            "Mean time in each layer",
            "s",
            _mean("pynet_request_layer_duration_seconds", "layer"),
            "{{layer}}",
            "Of a request that uses the layer: the store, the cluster store, the kernel, nftables.",
        ),
    ),
    "Health": (
        graph("Checks", "bool_yes_no", f"min by (check) (pynet_health_check_passed{{{HERE}}})", "{{check}}"),
        graph("Repairs", "ops", rate("pynet_repairs_total", HERE, "kind"), "{{kind}}"),
        graph("Not repaired, by kind", "short", f"sum by (kind) (pynet_findings_not_repaired{{{HERE}}})", "{{kind}}"),
        graph(
            "Age of the last full look",
            "s",
            f"time() - pynet_last_full_look_timestamp_seconds{{{HERE}}}",
            "{{instance}}",
        ),
        graph("Full looks", "ops", f"rate(pynet_full_looks_total{{{HERE}}}[$__rate_interval])", "{{instance}}"),
        graph(
            "Tracked connections",
            "percentunit",
            f"pynet_conntrack_entries{{{HERE}}} / pynet_conntrack_entries_limit{{{HERE}}}",
            "{{instance}}",
        ),
        graph("Hosts of the cluster", "short", f"max by (state) (pynet_cluster_hosts{{{HERE}}})", "{{state}}"),
        graph("Cluster store", "bool_yes_no", f"pynet_cluster_store_up{{{HERE}}}", "{{instance}}"),
        graph("Takeovers pending", "short", f"pynet_cluster_takeovers_pending{{{HERE}}}", "{{instance}}"),
        graph("Takeovers", "ops", f"rate(pynet_cluster_takeovers_total{{{HERE}}}[$__rate_interval])", "{{instance}}"),
        graph("Closed containers", "short", f"pynet_endpoints_closed{{{HERE}}}", "{{instance}}"),
        graph("CPU of a scrape", "s", f"pynet_scrape_cpu_seconds{{{HERE}}}", "{{instance}}"),
        graph("Parts of scrapes that failed", "ops", rate("pynet_scrape_errors_total", HERE, "part"), "{{part}}"),
    ),
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as JSON's types."""
    return {
        "uid": "pynet-networks",
        "title": "pynet",
        "description": "Networks of pynet: traffic, ports, drops, requests and health.",
        "tags": ["docker", "network"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": list(_panels()),
    }


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", **_SHOWN}
    asked = {
        "instance": "label_values(pynet_build_info, instance)",
        "network": f"label_values(pynet_endpoints{{{HERE}}}, network)",
        "container": f"label_values(pynet_endpoint_receive_bytes_total{{{NET}}}, container)",
    }
    for name, query in asked.items():
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            **_SHOWN,
            "definition": query,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _panels() -> Iterator[dict[str, Any]]:
    identity, top = 1, 0
    for title, panels in ROWS.items():
        yield {
            "id": identity,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, top, WIDTH, 1),
        }
        identity, top, left = identity + 1, top + 1, 0
        for panel in panels:
            wide, high = (WIDTH // 6, LOW) if panel.figure else (WIDTH // 3, HEIGHT)
            if left + wide > WIDTH:
                left = 0
            yield _panel(panel, identity) | {"gridPos": _place(left, top, wide, high)}
            identity, left = identity + 1, left + wide
            if left == WIDTH:
                top, left = top + high, 0
        top += HEIGHT if left else 0


def _place(left: int, top: int, wide: int, high: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": wide, "h": high}


def _panel(panel: Panel, identity: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": query.expression, "legendFormat": query.legend}
        for place, query in enumerate(panel.queries)
    ]
    return {
        "id": identity,
        "type": "stat" if panel.figure else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": _FIGURE if panel.figure else _GRAPH,
        "transformations": [],
    }


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(dashboard(), indent=1) + "\n")


if __name__ == "__main__":
    main()
