"""The tables of a host or a container about others: neighbours, forwarding database, routes, addresses."""

import re
from collections.abc import Callable
from typing import NamedTuple

UNDERLAY = "ul0"  # on which hosts meet, see tests.kernel.hosts
PASSING = re.compile(r"\b(expires|valid_lft|preferred_lft|hoplimit|mtu|users|used|probes) \S+")


class Fact(NamedTuple):
    """A line of a table; ``mac`` and ``address`` are empty where the table has none."""

    table: str
    link: str
    mac: str
    address: str


def learned(run: Callable[[str], str]) -> set[Fact]:
    """Return what stands in the tables where ``run`` runs commands, but for the underlay."""
    facts = set()
    for line in run("ip -o neigh show").splitlines():
        words = line.split()
        if "lladdr" in words:  # else nobody has answered
            facts.add(Fact("neighbour", words[2], words[4], words[0]))
    for line in run("bridge fdb show").splitlines():
        words = line.split()
        to = words[words.index("dst") + 1] if "dst" in words else ""
        facts.add(Fact("fdb", words[2], words[0], to))
    for table in ("ip -4 route", "ip -6 route", "ip -o addr"):
        lines = (" ".join(PASSING.sub("", line).split()) for line in run(table).splitlines())
        facts |= {Fact(table, "", "", line) for line in lines}
    return {fact for fact in facts if fact.link != UNDERLAY}


def settled(run: Callable[[str], str]) -> bool:
    """Say whether no address is looked for any more, so that routes and groups stay as they are."""
    lines = run("ip -o -6 addr").splitlines()
    return not any("tentative" in line and "dadfailed" not in line for line in lines)
