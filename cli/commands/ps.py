"""``pynet ps``: what ``docker ps`` shows, with the ports that pynet publishes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.commands.ports import joined
from cli.exit_codes import BadUsage
from cli.human import ago
from cli.listing import Column, Row, ellipsis, short_id


def filters_of(words: Sequence[str]) -> dict[str, list[str]]:
    """Return the filters of the Engine API; raises ``BadUsage`` for one that is not KEY=VALUE."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            raise BadUsage(f"--filter: '{word}' is not of the form KEY=VALUE")
        found.setdefault(key, []).append(value)
    return found


def rows_of(containers: Sequence[Mapping[str, Any]], ports: Sequence[Row]) -> list[Row]:
    """Return a row a container as the Engine API lists it, with those of ``ports`` that lead to it."""
    by_endpoint: dict[str, list[Row]] = {}
    for port in ports:
        by_endpoint.setdefault(port["endpoint"], []).append(port)
    return [_row(container, by_endpoint) for container in containers]


def _row(container: Mapping[str, Any], by_endpoint: Mapping[str, Sequence[Row]]) -> Row:
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    own = [port for end in networks.values() for port in by_endpoint.get(str(end.get("EndpointID")), ())]
    return {
        "id": container["Id"],
        "image": container["Image"],
        "command": container["Command"],
        "created": datetime.fromtimestamp(container["Created"], UTC).isoformat(),
        "status": container["Status"],
        "ports": _ports(container.get("Ports") or (), own),
        "names": [str(name).removeprefix("/") for name in container["Names"]],
        "networks": sorted(networks),
    }


def _ports(engines: Sequence[Mapping[str, Any]], own: Sequence[Row]) -> list[str]:
    """Return all ports as ``docker ps`` writes them; a port that only the image exposes has no place of the host."""
    leads = [(each["host_ip"], each["host_port"], each["container_port"], each["proto"]) for each in own]
    leads += [(each.get("IP", ""), each.get("PublicPort", 0), each["PrivatePort"], each["Type"]) for each in engines]
    open_here = {(port, proto) for _, place, port, proto in leads if place}
    wanted = {lead for lead in leads if lead[1] or lead[2:] not in open_here}
    return [_range_text(*each) for each in _ranges(wanted)]


def _ranges(leads: Iterable[tuple[str, int, int, str]]) -> list[tuple[str, int, int, int, str]]:
    """Join neighbouring ports that lead to the same number, or to none (docker/cli, DisplayablePorts)."""
    found: list[tuple[str, int, int, int, str]] = []  # address, first place, first port, last port, protocol
    for address, place, port, proto in sorted(leads, key=lambda lead: (lead[3], lead[0], lead[2], lead[1])):
        if found and place in {0, port}:
            before = found[-1]
            if (before[0], before[3], before[4]) == (address, port - 1, proto) and before[1] in {0, before[2]}:
                found[-1] = (*before[:3], port, proto)
                continue
        found.append((address, place, port, port, proto))
    return sorted(found, key=lambda each: (each[2], each[4], each[0]))


def _range_text(address: str, place: int, first: int, last: int, proto: str) -> str:
    ports = str(first) if first == last else f"{first}-{last}"
    if not place:
        return f"{ports}/{proto}"
    return f"{joined(address, place)}{'' if first == last else f'-{place + last - first}'}->{ports}/{proto}"


def _short_command(text: str) -> str:
    inner = ellipsis(20)(str(json.loads(text)))  # docker/cli, formatter/container.go
    return f'"{inner}"'


def _since(moment: str) -> str:
    return ago((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


COLUMNS = (
    Column("CONTAINER ID", "ID", lambda row: str(row["id"]), short_id),
    Column("IMAGE", "Image", lambda row: str(row["image"])),
    Column("COMMAND", "Command", lambda row: json.dumps(row["command"]), _short_command),
    Column("CREATED", "CreatedAt", lambda row: str(row["created"]), _since),
    Column("STATUS", "Status", lambda row: str(row["status"])),
    Column("PORTS", "Ports", lambda row: ", ".join(row["ports"])),
    Column("NAMES", "Names", lambda row: ",".join(row["names"])),
    Column("NETWORKS", "Networks", lambda row: ",".join(row["networks"]), shown=False),
)
