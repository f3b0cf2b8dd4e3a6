"""``pynet ports``: which port of the host leads to which container; for one container, as ``docker port`` says it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.engine.containers import EngineContainer
from cli.tables import as_table
from plugin.engine.names import Known
from plugin.errors import NotFound

NOT_PUBLISHED = "not published"  # by the mode; the address leads to it
Row = Mapping[str, Any]
NOBODY = Known()

_KEYS = ("container", "network_name", "endpoint", "network", "proto", "host_ip", "host_port", "container_ip")


def rows_of(reply: Mapping[str, Any], names: Known = NOBODY) -> list[Row]:
    """Return one row a published port, from the reply to the verb Ports."""
    rows = []
    for port in reply["Ports"]:
        row = {
            "container": names.containers.get(port["Endpoint"], ""),
            "network_name": names.networks.get(port["Network"], ""),
            "endpoint": port["Endpoint"],
            "network": port["Network"],
            "proto": port["Proto"],
            "host_ip": port["HostIP"],
            "host_port": port["HostPort"],
            "container_ip": port["ContainerIP"],
            "container_port": port["ContainerPort"],
            "published": port.get("Published", True),
        }
        rows.append(row)
    return sorted(rows, key=lambda row: (row["host_port"], row["proto"], row["host_ip"]))


def as_text(rows: Sequence[Row]) -> str:
    """Return the rows for people; an endpoint without a known name is shown by its id."""
    lines = [["CONTAINER", "NETWORK", "PROTO", "HOST", "ADDRESS"]]
    for row in rows:
        nowhere = "-" if row["published"] else NOT_PUBLISHED
        host = joined(row["host_ip"], row["host_port"]) if row["host_ip"] else nowhere
        to = joined(row["container_ip"], row["container_port"])
        names = (row["container"] or row["endpoint"][:12], row["network_name"] or row["network"][:12])
        lines.append([*names, row["proto"], host, to])
    return as_table(lines)


def joined(address: str, port: int) -> str:
    """Return an address with a port; an IPv6 address is in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def of_container(rows: Sequence[Row], found: EngineContainer, wanted: str = "") -> list[Row]:
    """Return the published ports of a container, or one of them: those of pynet and those of the engine.

    ``wanted`` is 80 or 80/tcp, which mean the same, or 80/udp.

    Raises:
        NotFound: the container does not publish ``wanted``.
    """
    own = {_place(row): {**row, "container": found.name} for row in _engines(found)}
    own |= {_place(row): {**row, "container": found.name} for row in rows if _leads_to(row, found)}
    ordered: list[Row] = sorted(own.values(), key=lambda row: (row["container_port"], row["proto"]))
    port = wanted if "/" in wanted or not wanted else f"{wanted}/tcp"
    shown = [row for row in ordered if not port or _port(row) == port]
    if port and not shown:
        raise NotFound(f"no public port '{port}' published for {found.name}")  # docker/cli, container/port.go
    return shown


def as_docker_port(rows: Sequence[Row], *, addresses_only: bool = False) -> str:
    """Return the output of ``docker port CONTAINER``, or of ``docker port CONTAINER PORT``."""
    places = [(_port(row), joined(row["host_ip"], row["host_port"])) for row in rows]
    return "\n".join(place if addresses_only else f"{port} -> {place}" for port, place in places)


def _engines(found: EngineContainer) -> Iterator[Row]:
    """Yield the ports that the engine itself publishes, which have no endpoint of pynet's."""
    for key, places in found.ports.items():
        port, _, proto = key.partition("/")
        for address, place in places:
            yield dict.fromkeys(_KEYS, "") | {
                "proto": proto,
                "host_ip": address,
                "host_port": place,
                "container_port": int(port),
                "published": True,
            }


def _leads_to(row: Row, found: EngineContainer) -> bool:
    return row["endpoint"] in found.endpoints and bool(row["host_ip"])


def _port(row: Row) -> str:
    return f"{row['container_port']}/{row['proto']}"


def _place(row: Row) -> tuple[str, str, int]:
    return _port(row), row["host_ip"], row["host_port"]
