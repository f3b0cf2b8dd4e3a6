"""``pynet cluster``: the hosts of the cluster and their networks."""

from collections.abc import Mapping
from typing import Any

from cli.tables import as_table


def as_text(state: Mapping[str, Any]) -> str:
    """Return the status for people."""
    hosts = [["HOST", "ID", "ADDRESS", "LEASE", "WATCH", "ENDPOINTS"]]
    for host in state["hosts"]:
        age = (
            "dead" if not host["alive"] else "alive" if host["lease_age"] is None else f"{host['lease_age']:.0f} s ago"
        )
        lag = "-" if host["watch_lag"] is None else f"{host['watch_lag'] * 1000:.0f} ms"
        hosts.append([host["name"], host["id"], host["address"], age, lag, str(host["endpoints"])])
    networks = [["NETWORK", "SUBNETS", "HOSTS", "ENDPOINTS"]]
    networks += [
        [net["name"], ",".join(net["subnets"]), ",".join(net["hosts"]), str(net["endpoints"])]
        for net in state["networks"]
    ]
    lines = [as_table(hosts), "", as_table(networks), ""]
    lines += [f"- {problem}" for problem in state["problems"]] or ["all is well"]
    return "\n".join(lines)


def forgotten(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply to the verb ForgetHost with the keys of commands; an older pynet tells no numbers."""
    return {"host": reply.get("Host", ""), "addresses": reply.get("Addresses"), "pool_uses": reply.get("PoolUses")}


def key_change(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply to the verb ChangeKeys with the keys of commands."""
    return {"generation": reply["Generation"]}
