"""Living beside the rules of Docker and of other firewalls: which bridges are Docker's, and which accepts are needed.

A packet must be accepted by every base chain that it meets. dockerd sets the policy of iptables' FORWARD chain to DROP
when it turns forwarding on, ufw does the same, and firewalld ends its own chains with a reject. pynet's own chain runs
first and drops what must not pass, so two rules suffice in each of these, ``-i pn-+ -j ACCEPT`` and ``-o pn-+ -j
ACCEPT``: behind DOCKER-USER, so that the user's rules are honoured, or else at the head. They are native expressions
of nft that every iptables-nft can list (its own ``-i`` and ``-o`` compile to the same). A bridge that the user named
has two of its own. In firewalld's INPUT chain containers are let to the host, as Docker's zone does.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from netlink.links import Link
from plugin.model.names import BRIDGES, is_own_bridge

_DOCKER_BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")
_PLAIN_NAME = re.compile(r"[0-9A-Za-z_.:@-]+")
_DOCKER_PORT = re.compile(r"veth[0-9a-f]{7}")


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain of another firewall, and the sides of a packet by which pynet's links are accepted there."""

    family: str
    table: str
    name: str
    sides: tuple[str, ...] = ("iifname", "oifname")

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name}"


CHAINS = (
    Chain("ip", "filter", "FORWARD"),
    Chain("ip6", "filter", "FORWARD"),
    Chain("inet", "firewalld", "filter_FORWARD"),
    Chain("inet", "firewalld", "filter_INPUT", ("iifname",)),
)


def docker_bridges(links: Iterable[Link]) -> frozenset[str]:
    """Return the bridges that are Docker's: by their name, or by a port named as libnetwork names host ends."""
    every = list(links)
    with_docker_port = {link.master for link in every if link.kind == "veth" and _DOCKER_PORT.fullmatch(link.name)}
    return frozenset(
        link.name
        for link in every
        if link.kind == "bridge"
        and not is_own_bridge(link.name)
        and (is_docker_name(link.name) or link.index in with_docker_port)
    )


def other_bridges(links: Iterable[Link]) -> list[str]:
    """Return the bridges that are neither Docker's nor named by a pynet, but those with names that nft cannot take."""
    every = list(links)
    known = docker_bridges(every)
    bridges = {link.name for link in every if link.kind == "bridge" and not is_own_bridge(link.name)}
    return sorted(name for name in bridges - known if _PLAIN_NAME.fullmatch(name))


def is_docker_name(name: str) -> bool:
    """Say whether Docker's own drivers call a bridge so."""
    return _DOCKER_BRIDGE.fullmatch(name) is not None


def accepts_to_add(chain: Chain, listed: Sequence[dict[str, Any]], owner: str, names: Sequence[str] = ()) -> str:
    """Return the nft text that adds the accepts of ``owner`` missing from ``chain``, or "" when none is.

    The comment says whose a rule is: two pynets may run side by side, and each looks after its own.
    """
    rules = [item["rule"] for item in listed if "rule" in item]
    wanted = [(side, name) for name in (BRIDGES, *names) for side in chain.sides]
    missing = [key for key in wanted if not any(_is_accept(rule, owner, *key) for rule in rules)]
    behind = next((rule["handle"] for rule in rules if _jumps_to(rule, "DOCKER-USER")), None)
    where = f"add rule {chain} position {behind}" if behind else f"insert rule {chain}"
    return "".join(f'{where} {side} "{name}" counter accept comment "{owner}"\n' for side, name in missing)


def accepts_to_delete(chain: Chain, listed: Sequence[dict[str, Any]], owner: str, keep: Sequence[str] = ()) -> str:
    """Return the nft text that deletes the accepts of ``owner`` but those for the links ``keep``, or ""."""
    rules = [item["rule"] for item in listed if "rule" in item]
    stale = [rule for rule in rules if rule.get("comment") == owner and not _is_for(chain, rule, owner, keep)]
    return "".join(f"delete rule {chain} handle {rule['handle']}\n" for rule in stale)


def _is_for(chain: Chain, rule: dict[str, Any], owner: str, names: Sequence[str]) -> bool:
    return any(_is_accept(rule, owner, side, name) for side in chain.sides for name in names)


def _is_accept(rule: dict[str, Any], owner: str, side: str, name: str) -> bool:
    expressions = rule.get("expr", [])
    match = {"match": {"op": "==", "left": {"meta": {"key": side}}, "right": name}}
    return rule.get("comment") == owner and match in expressions and {"accept": None} in expressions


def _jumps_to(rule: dict[str, Any], chain: str) -> bool:
    return {"jump": {"target": chain}} in rule.get("expr", [])
