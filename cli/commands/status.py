"""``pynet status`` and ``pynet version``: the running pynet in a few lines."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.commands.reconcile import as_lines, repair_rows
from cli.engine.api import known_names
from cli.human import ago, count
from plugin.firewall.bridge_rules import REASONS


@dataclass(frozen=True, slots=True)
class Answered:
    """The replies of the running pynet to its verbs, the version of the engine, and the names of its networks."""

    about: Mapping[str, Any]
    status: Mapping[str, Any]
    networks: Sequence[Mapping[str, Any]]
    pools: Sequence[Mapping[str, Any]]
    engine: str
    names: Mapping[str, str]

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
        f"dropped by the guard in network '{drop['name']}', {drop['reason']} ({REASONS[drop['reason']]}): "
        f"{drop['frames']} frames"
        for drop in data["drops"]
    ]
    return "\n".join([*lines, *(f"not repaired: {as_lines([repair])}" for repair in data["failing"])])


def _setting(about: Mapping[str, Any], key: str) -> str:
    return next((str(each["Value"]) for each in about["Settings"] if each["Key"] == key), "")
