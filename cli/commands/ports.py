"""``pynet ports``: which port of the host leads to which container; for one container, as ``docker port`` says it."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.engine.containers import EngineContainer
from cli.tables import as_table
from plugin.errors import NotFound

Published = Mapping[str, Sequence[tuple[str, int]]]  # by "80/tcp": addresses and ports of the host
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
        host = joined(row["host_ip"], row["host_port"]) if row["host_ip"] else "-"
        to = joined(row["container_ip"], row["container_port"])
        names = (row["container"] or row["endpoint"][:12], row["network_name"] or row["network"][:12])
        lines.append([*names, row["proto"], host, to])
    return as_table(lines)


def joined(address: str, port: int) -> str:
    """Return an address with a port; an IPv6 address is in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def of_container(rows: Sequence[Mapping[str, Any]], found: EngineContainer) -> Published:
    """Return the published ports of a container by "80/tcp", both those of pynet and those of the engine."""
    ports: dict[str, list[tuple[str, int]]] = {key: list(places) for key, places in found.ports.items() if places}
    for row in rows:
        if row["endpoint"] in found.endpoints and row["host_ip"]:
            places = ports.setdefault(f"{row['container_port']}/{row['proto']}", [])
            places += [place for place in [(row["host_ip"], row["host_port"])] if place not in places]
    return dict(sorted(ports.items(), key=lambda item: (int(item[0].partition("/")[0]), item[0])))


def as_docker_port(ports: Published, container: str, wanted: str = "") -> str:
    """Return the output of ``docker port CONTAINER [PORT]``; a port is of tcp unless it says otherwise.

    Raises:
        NotFound: the container does not publish the port.
    """
    if not wanted:
        return "\n".join(f"{port} -> {joined(*place)}" for port, places in ports.items() for place in places)
    port = wanted if "/" in wanted else f"{wanted}/tcp"
    if port not in ports:
        raise NotFound(f"no public port '{port}' published for {container}")  # docker/cli, container/port.go
    return "\n".join(joined(*place) for place in ports[port])
