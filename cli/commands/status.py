"""``pynet status`` and ``pynet version``: the running pynet in a few lines."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.client.serving import Older
from cli.commands.reconcile import as_lines, repair_rows
from cli.engine.api import known_names
from cli.human import ago, count
from plugin.errors import PynetError
from plugin.firewall.reasons import BY_NAME

OK, UNKNOWN = "ok", "unknown"  # states of health; an older pynet tells of none


@dataclass(frozen=True, slots=True)
class Answered:
    """The replies of the running pynet to its verbs, the version of the engine, and the names of its networks.

    ``cluster`` is the status of the cluster, None for a host that shares nothing; ``health`` is what GET /healthz says.
    """

    about: Mapping[str, Any]
    status: Mapping[str, Any]
    networks: Sequence[Mapping[str, Any]]
    pools: Sequence[Mapping[str, Any]]
    engine: str
    names: Mapping[str, str]
    cluster: Mapping[str, Any] | None = None
    health: Mapping[str, Any] = field(default_factory=lambda: {"State": OK, "Checks": ()})

    def name(self, network: str) -> str:
        """Return the name of a network, or the beginning of its id."""
        return self.names.get(network, network[:12])


def as_data(found: Answered) -> dict[str, Any]:
    """Return everything that the command knows, for scripts."""
    endpoints = [end for network in found.networks for end in network["Endpoints"]]
    return {
        "version": found.about["Version"],
        "process": found.about["Process"],
        "started": found.about["Started"],
        "socket": _setting(found.about, "PYNET_SOCKET"),
        "state_dir": found.about["StateDir"],
        "store": _setting(found.about, "PYNET_STORE"),
        "engine": found.engine,
        "health": _health(found.health),
        "cluster": _cluster(found.cluster),
        "networks": len(found.networks),
        "endpoints": len(endpoints),
        "ports": sum(end["Ports"] for end in endpoints),
        "sockets": found.status["Sockets"],
        "most_sockets": found.status["MostSockets"],
        "pools": [
            {"network": p["Network"], "name": found.name(p["Network"]), "subnet": p["Subnet"]}
            | {"taken": p["Taken"], "size": p["Size"]}
            for p in found.pools
        ],
        "looks": found.status["Looks"],
        "repairs": found.status["Repairs"],
        "failing": repair_rows(found.status["Failing"], known_names),
        "drops": [
            {"network": d["Network"], "name": found.name(d["Network"]), "reason": d["Reason"], "frames": d["Frames"]}
            for d in found.status["Drops"]
        ],
    }


def as_text(data: Mapping[str, Any]) -> str:
    """Return the same for people."""
    repairs = ", ".join(f"{kind} {count}" for kind, count in sorted(data["repairs"].items())) or "none"
    ends = count(data["endpoints"], "endpoint")
    lines = [
        f"pynet {data['version']}, process {data['process']}, serves {data['socket']}",
        f"started:    {ago(time.time() - data['started'])}",
        f"state:      {data['state_dir']}",
        f"store:      {data['store'] or 'this host alone'}",
        f"engine:     {data['engine'] or 'does not answer'}",
        f"health:     {_in_words(data['health'])}",
        *_cluster_line(data["cluster"]),
        f"networks:   {data['networks']}, with {ends} and {count(data['ports'], 'published port')}",
        f"sockets:    {data['sockets']} of at most {data['most_sockets']} for published ports",
        f"checks:     {data['looks']} of everything since the start",
        f"repairs:    {repairs}",
    ]
    lines += [
        f"pool:       {pool['subnet']} of network '{pool['name']}': {pool['taken']} of {pool['size']} addresses taken"
        for pool in data["pools"]
    ]
    lines += [
        f"dropped{_in(drop['name'])}, {drop['reason']} ({BY_NAME[drop['reason']].sentence}): "
        f"{count(drop['frames'], 'packet')}"
        for drop in data["drops"]
    ]
    return "\n".join([*lines, *(f"not repaired: {as_lines([repair])}" for repair in data["failing"])])


def _in(network: str) -> str:
    return f" in network '{network}'" if network else ""


def is_well(data: Mapping[str, Any]) -> bool:
    """Return whether all checks passed, as GET /healthz tells, and the cluster has no problem."""
    healthy = data["health"]["state"] in {OK, UNKNOWN}
    return healthy and not data["failing"] and not (data["cluster"] or {}).get("problems")


def ask_health(ask: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what GET /healthz says; an older pynet knows no such verb, and is asked for the rest all the same."""
    try:
        return ask("Health")
    except Older:
        return {"State": UNKNOWN, "Checks": ()}


def ask_cluster(about: Mapping[str, Any], ask: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the status of the cluster; None if the running pynet, which told ``about`` itself, shares no store.

    A store that does not answer is a problem of the cluster, and no reason to say nothing about this host.
    """
    if not _setting(about, "PYNET_STORE"):
        return None
    try:
        status: Mapping[str, Any] = ask("ClusterStatus")["Cluster"]
    except PynetError as error:
        return {"hosts": [], "problems": [str(error)]}
    return status


def _health(reply: Mapping[str, Any]) -> dict[str, Any]:
    checks = [{"check": c["Check"], "state": c["State"], "reason": c["Reason"]} for c in reply["Checks"]]
    return {"state": reply["State"], "checks": checks}


def _in_words(health: Mapping[str, Any]) -> str:
    wrong = [f"{each['check']}: {each['reason']}" for each in health["checks"] if each["state"] != OK]
    older = ["the running pynet is older than this command; restart it"] if health["state"] == UNKNOWN else []
    return "; ".join([health["state"], *older, *wrong])


def _cluster(status: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if status is None:
        return None
    alive = sum(host["alive"] for host in status["hosts"])
    return {"hosts": len(status["hosts"]), "alive": alive, "problems": list(status["problems"])}


def _cluster_line(cluster: Mapping[str, Any] | None) -> list[str]:
    if cluster is None:
        return []
    problems = count(len(cluster["problems"]), "problem") if cluster["problems"] else "no problem"
    return [f"cluster:    {count(cluster['hosts'], 'host')}, of which {cluster['alive']} alive; {problems}"]


def _setting(about: Mapping[str, Any], key: str) -> str:
    return next((str(each["Value"]) for each in about["Settings"] if each["Key"] == key), "")
