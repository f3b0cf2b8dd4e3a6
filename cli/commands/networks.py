"""``pynet network`` and ``pynet endpoint``: networks and endpoints with the names that Docker gave them."""

from collections.abc import Mapping, Sequence
from time import localtime, strftime
from typing import Any

from cli.listing import Column, Row, short_id
from plugin.engine.names import Known

NETWORK_COLUMNS = (
    Column("NETWORK ID", "ID", lambda row: str(row["id"]), short_id),
    Column("NAME", "Name", lambda row: row["name"] or "-"),
    Column("MODE", "Mode", lambda row: str(row["mode"])),
    Column("LINK", "Link", lambda row: str(row["link"])),
    Column("SUBNETS", "Subnets", lambda row: ", ".join(_subnets(row))),
    Column("ENDPOINTS", "Endpoints", lambda row: str(len(row["endpoints"]))),
    Column("INTERNAL", "Internal", lambda row: _yes_or_no(row["internal"]), shown=False),
    Column("GUARD", "Guard", lambda row: _yes_or_no(row["guarded"]), shown=False),
    Column("MTU", "MTU", lambda row: str(row["mtu"]), shown=False),
    Column("VNI", "VNI", lambda row: str(row["vni"] or ""), shown=False),
)
ENDPOINT_COLUMNS = (
    Column("ENDPOINT ID", "ID", lambda row: str(row["id"]), short_id),
    Column("CONTAINER", "Container", lambda row: row["container"] or "-"),
    Column("NETWORK", "Network", lambda row: row["network_name"] or short_id(row["network"])),
    Column("LINK", "Link", lambda row: str(row["link"])),
    Column("MAC ADDRESS", "MacAddress", lambda row: str(row["mac_address"])),
    Column("ADDRESSES", "Addresses", lambda row: ", ".join(filter(None, (row["ipv4"], row["ipv6"], *row["made"])))),
    Column("PORTS", "Ports", lambda row: str(row["ports"])),
    Column("GUARD", "Guard", lambda row: _yes_or_no(row["guarded"]), shown=False),
    Column("LEASE", "Lease", lambda row: _lease(row["lease"]), shown=False),
)
_KEYS = {"MacAddress": "mac_address", "SharedAs": "shared_as", "IPv4": "ipv4", "IPv6": "ipv6"}


def rows_of(reply: Mapping[str, Any], names: Known) -> list[Row]:
    """Return a row for each network in the reply to the verb Networks, with rows of its endpoints."""
    found = []
    for network in reply["Networks"]:
        row = _snake(network)
        name = names.networks.get(row["id"], "")
        row |= {"name": name, "subnets": [_snake(one) for one in network["Subnets"]]}
        row["endpoints"] = [_endpoint(one, name, names) for one in network["Endpoints"]]
        found.append(row)
    return sorted(found, key=lambda row: (row["name"], row["id"]))


def of_ids(rows: Sequence[Row], ids: Sequence[str]) -> list[Row]:
    """Return the rows with these ids, in their order; one that is gone by now is left out."""
    by_id = {row["id"]: row for row in rows}
    return [by_id[each] for each in ids if each in by_id]


def _endpoint(endpoint: Mapping[str, Any], network: str, names: Known) -> Row:
    container = names.containers.get(endpoint["ID"], "")
    lease = _snake(endpoint["Lease"]) if endpoint["Lease"] else None
    return {"container": container, "network_name": network, **_snake(endpoint), "lease": lease}


def _snake(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message with the keys of commands."""
    return {_KEYS.get(key, key.lower()): value for key, value in message.items()}


def _subnets(network: Row) -> list[str]:
    return [*(one["subnet"] for one in network["subnets"]), *(["by DHCP"] if network["dhcp"] else [])]


def _lease(lease: Mapping[str, Any] | None) -> str:
    """Return the end of a lease, and what is wrong with it."""
    if lease is None:
        return "-"
    ends = f"until {strftime('%Y-%m-%d %H:%M:%S', localtime(lease['ends']))}" if lease["ends"] else "without an end"
    wrong = "ended" if lease["lost"] else f"moved to {lease['address']}" if lease["moved"] else ""
    return f"{wrong or ends}, by {lease['server']}"


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"
