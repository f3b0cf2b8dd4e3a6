"""Living beside Docker's own rules: which bridges are Docker's, and the accepts that its DROP policy asks for.

dockerd sets the policy of iptables' FORWARD chain to DROP when it turns forwarding on, and a packet must be accepted
by every base chain that it meets. pynet's own chain runs first and drops what must not pass, so two rules by name
suffice, ``-i pn-+ -j ACCEPT`` and ``-o pn-+ -j ACCEPT``, behind DOCKER-USER so that the user's rules are honoured. They
are native nft expressions that every iptables-nft can list (its own ``-i`` and ``-o`` compile to the same).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from netlink.dump import Link

OURS = "pn-*"  # every bridge that pynet names by itself
FAMILIES = ("ip", "ip6")
_DIRECTIONS = ("iifname", "oifname")
_DOCKER_BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")
_DOCKER_PORT = re.compile(r"veth[0-9a-f]{7}")


def docker_bridges(links: Iterable[Link]) -> frozenset[str]:
    """Return the bridges that are Docker's: by their name, or by a port named as libnetwork names host ends."""
    every = list(links)
    with_docker_port = {link.master for link in every if link.kind == "veth" and _DOCKER_PORT.fullmatch(link.name)}
    return frozenset(
        link.name
        for link in every
        if link.kind == "bridge"
        and not link.name.startswith("pn-")
        and (_DOCKER_BRIDGE.fullmatch(link.name) or link.index in with_docker_port)
    )


def accepts_to_add(family: str, chain: Sequence[dict[str, Any]]) -> str:
    """Return the nft text that adds the accepts missing from FORWARD, or "" when none is."""
    rules = [item["rule"] for item in chain if "rule" in item]
    present = {direction for rule in rules for direction in _DIRECTIONS if _is_accept(rule, direction)}
    missing = [direction for direction in _DIRECTIONS if direction not in present]
    behind = next((rule["handle"] for rule in rules if _jumps_to(rule, "DOCKER-USER")), None)
    where = f"add rule {family} filter FORWARD position {behind}" if behind else f"insert rule {family} filter FORWARD"
    return "".join(f'{where} {direction} "{OURS}" counter accept\n' for direction in missing)


def accepts_to_delete(family: str, chain: Sequence[dict[str, Any]]) -> str:
    """Return the nft text that deletes the accepts again, or "" when there is none."""
    rules = [item["rule"] for item in chain if "rule" in item]
    return "".join(
        f"delete rule {family} filter FORWARD handle {rule['handle']}\n"
        for rule in rules
        if any(_is_accept(rule, direction) for direction in _DIRECTIONS)
    )


def _is_accept(rule: dict[str, Any], direction: str) -> bool:
    expressions = rule.get("expr", [])
    match = {"match": {"op": "==", "left": {"meta": {"key": direction}}, "right": OURS}}
    return match in expressions and {"accept": None} in expressions


def _jumps_to(rule: dict[str, Any], chain: str) -> bool:
    return {"jump": {"target": chain}} in rule.get("expr", [])
