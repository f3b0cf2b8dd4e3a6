"""``pynet dns names`` and ``pynet dns lookup``: the names by which containers find each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cli.tables import as_table
from plugin.model.resolver_place import DOMAIN

Row = Mapping[str, Any]


def rows_of(reply: Mapping[str, Any]) -> list[Row]:
    """Return a row for each endpoint in the reply to the verb Names."""
    rows: list[Row] = [
        {
            "network": one["Network"],
            "network_name": one["NetworkName"],
            "endpoint": one["Endpoint"],
            "host": one["Host"],
            "host_name": one["HostName"],
            "names": one["Names"],
            "addresses": one["Addresses"],
        }
        for one in reply["Names"]
    ]
    return sorted(rows, key=lambda row: (row["network_name"], row["network"], row["names"], row["host"]))


def of_network(rows: Sequence[Row], word: str) -> list[Row]:
    """Return the rows of a network, by its name or the beginning of its id; all without a word."""
    return [row for row in rows if not word or row["network_name"] == word or row["network"].startswith(word)]


def looked_up(rows: Sequence[Row], name: str) -> list[Row]:
    """Return the rows to which a name leads, alone or with ``.NETWORK.pynet``."""
    name = name.lower().removesuffix(".")
    return [row for row in rows if name in row["names"] or _short(name, row["network_name"]) in row["names"]]


def as_text(rows: Sequence[Row]) -> str:
    """Return the rows for people; a name that several endpoints of a network have is marked."""
    if not rows:
        return "no container has such a name"
    count = Counter((row["network"], name) for row in rows for name in row["names"])
    lines = [["NAME", "NETWORK", "HOST", "ADDRESSES", "OTHER NAMES"]]
    for row in rows:
        first, *others = (f"{name}*" if count[row["network"], name] > 1 else name for name in row["names"])
        host = (row["host_name"] or row["host"]) if row["host"] else "this one"
        network = row["network_name"] or row["network"][:12]
        lines.append([first, network, host, ", ".join(row["addresses"]), ", ".join(others)])
    text = as_table(lines)
    shared = any(number > 1 for number in count.values())
    return f"{text}\n* several containers have this name, and are answered in turn" if shared else text


def _short(name: str, network: str) -> str:
    return name.removesuffix(f".{network.lower()}{DOMAIN}") if network and name.endswith(DOMAIN) else ""
