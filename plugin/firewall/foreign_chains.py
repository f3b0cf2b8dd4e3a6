"""Adds accepts for pynet's networks to the chains of other firewalls.

A packet must be accepted by every base chain that it meets. dockerd sets the policy of iptables' FORWARD chain to DROP
when it turns forwarding on, ufw does the same, and firewalld ends its own chains with a reject. pynet's own chain runs
first and drops what must not pass, so two rules suffice in each of these chains, ``-i pn-+ -j ACCEPT`` and ``-o pn-+ -j
ACCEPT``: behind DOCKER-USER, so that the user's rules are honoured, or else at the head. They are native expressions of
nft that every iptables-nft can list (its own ``-i`` and ``-o`` compile to the same). A bridge that the user named has
two accepts of its own. In firewalld's INPUT chain containers may reach the host, as in Docker's zone.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from netlink.errors import Missing
from plugin.interfaces import Nft
from plugin.model.names import BRIDGES

log = structlog.get_logger()


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


class Accepts:
    """The accepts of one pynet; every method may raise ``KernelError``."""

    def __init__(self, nft: Nft, owner: str) -> None:
        self._nft = nft
        self._owner = owner
        self.seen = False  # whether the chains have been brought in line since the last withdrawal

    def add(self, names: Collection[str]) -> None:
        """Add missing accepts to every chain, and delete accepts for links that are not in ``names``."""
        for chain, text in self._wrong(names):
            self._nft.apply(text)
            log.debug("accept rules changed beside another firewall's", chain=str(chain))
        self.seen = True

    def wrong(self, names: Collection[str]) -> list[str]:
        """Return the chains that lack accepts, or have accepts for links that are not in ``names``."""
        return [str(chain) for chain, _ in self._wrong(names)]

    def withdraw(self) -> None:
        """Delete all accepts."""
        self.seen = False
        for chain in CHAINS:
            with suppress(Missing):
                text = accepts_to_delete(chain, self._nft.list(f"chain {chain}"), self._owner)
                if text:
                    self._nft.apply(text)

    def _wrong(self, names: Collection[str]) -> Iterator[tuple[Chain, str]]:
        """Yield each chain that must change, and the text that changes it."""
        wanted = sorted(names)
        for chain in CHAINS:
            try:
                listed = self._nft.list(f"chain {chain}")
            except Missing:
                continue  # no such firewall on this host, so nobody drops there
            text = accepts_to_add(chain, listed, self._owner, wanted)
            text += accepts_to_delete(chain, listed, self._owner, (BRIDGES, *wanted))
            if text:
                yield chain, text


def accepts_to_add(chain: Chain, listed: Sequence[dict[str, Any]], owner: str, names: Sequence[str] = ()) -> str:
    """Return the nft text that adds the accepts of ``owner`` missing from ``chain``, or "" if none is missing.

    The comment names the owner of a rule: two pynets may run side by side, and each changes only its own rules.
    """
    rules = [item["rule"] for item in listed if "rule" in item]
    wanted = [(side, name) for name in (BRIDGES, *names) for side in chain.sides]
    missing = [key for key in wanted if not any(_is_accept(rule, owner, *key) for rule in rules)]
    behind = next((rule["handle"] for rule in rules if _jumps_to(rule, "DOCKER-USER")), None)
    where = f"add rule {chain} position {behind}" if behind else f"insert rule {chain}"
    return "".join(f'{where} {side} "{name}" counter accept comment "{owner}"\n' for side, name in missing)


def accepts_to_delete(chain: Chain, listed: Sequence[dict[str, Any]], owner: str, keep: Sequence[str] = ()) -> str:
    """Return the nft text that deletes the accepts of ``owner``, except those for the links ``keep``, or ""."""
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
