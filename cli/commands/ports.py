"""``pynet ports``: which port of the host leads to which container."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.tables import as_table

EndpointNames = Mapping[str, tuple[str, str]]  # endpoint id -> name of its network, name of its container


def rows_of(reply: Mapping[str, Any], names: EndpointNames) -> list[dict[str, Any]]:
    """Return one row a published port, from the reply to Pynet.Ports."""
    rows = []
    for port in reply["Ports"]:
        network, container = names.get(port["Endpoint"], ("", ""))
        row = {
            "container": container,
            "network_name": network,
            "endpoint": port["Endpoint"],
            "network": port["Network"],
            "proto": port["Proto"],
            "host_ip": port["HostIP"],
            "host_port": port["HostPort"],
            "container_ip": port["ContainerIP"],
            "container_port": port["ContainerPort"],
        }
        rows.append(row)
    return sorted(rows, key=lambda row: (row["host_port"], row["proto"], row["host_ip"]))


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows for people; an endpoint without a known name is shown by its id."""
    lines = [["CONTAINER", "NETWORK", "PROTO", "HOST", "ADDRESS"]]
    for row in rows:
        host = _joined(row["host_ip"], row["host_port"]) if row["host_ip"] else "-"
        to = _joined(row["container_ip"], row["container_port"])
        names = (row["container"] or row["endpoint"][:12], row["network_name"] or row["network"][:12])
        lines.append([*names, row["proto"], host, to])
    return as_table(lines)


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
