"""Adds accepts for pynet's networks to the chains of other firewalls.

A packet must be accepted by every base chain that it meets. dockerd sets the policy of iptables' FORWARD chain to DROP
when it turns forwarding on, ufw does the same, and firewalld ends its own chains with a reject. pynet's own chain runs
first and drops what must not pass, so two rules suffice in each of these chains, ``-i pn-+ -j ACCEPT`` and ``-o pn-+ -j
ACCEPT``: behind DOCKER-USER, so that the user's rules are honoured, or else at the head. They are native expressions of
nft that every iptables-nft can list (its own ``-i`` and ``-o`` compile to the same). A bridge that the user named has
two accepts of its own. In firewalld's INPUT chain containers may reach the host, as in Docker's zone.

In iptables' INPUT chains, which ufw makes drop, questions to pynet's resolver are accepted while a network wants names,
as other programs that answer containers do: those of its own address and port, and nothing else. pynet's own rules have
dropped by then what does not come from a container.

A bridge that is a user's LAN has one accept, ``-i br0 -o br0``: with br_netfilter, frames from port to port meet these
chains too. What the host routes into the LAN or out of it is none of pynet's business.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import structlog

from netlink.errors import Missing
from netlink.values import dataclass
from plugin.interfaces import Nft
from plugin.model.names import BRIDGES
from plugin.model.resolver_place import PORT, PROTOCOLS, RESOLVER

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain of another firewall, and the sides of a packet by which pynet's links are accepted there.

    With ``asked`` only questions to pynet's resolver by this IP version are accepted.
    """

    family: str
    table: str
    name: str
    sides: tuple[str, ...] = ("iifname", "oifname")
    asked: int = 0

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name}"


CHAINS = (
    Chain("ip", "filter", "FORWARD"),
    Chain("ip6", "filter", "FORWARD"),
    Chain("inet", "firewalld", "filter_FORWARD"),
    Chain("inet", "firewalld", "filter_INPUT", ("iifname",)),
    Chain("ip", "filter", "INPUT", (), asked=4),
    Chain("ip6", "filter", "INPUT", (), asked=6),
)
QUESTIONS = {  # conditions of questions to the resolver, by IP version
    version: tuple(((f"{family} daddr", str(RESOLVER[version])), (f"{proto} dport", str(PORT))) for proto in PROTOCOLS)
    for version, family in ((4, "ip"), (6, "ip6"))
}


class Named(NamedTuple):
    """Bridges whose names pynet did not choose: those of ``networks``, and ``lans``, where it is a guest.

    ``asked`` are the IP versions by which containers ask pynet's resolver.
    """

    networks: Collection[str] = ()
    lans: Collection[str] = ()
    asked: Collection[int] = ()


NOBODY = Named()
Conditions = tuple[tuple[str, str], ...]  # the sides of a packet, with the link of each; or fields, with their values


class Accepts:
    """The accepts of one pynet; every method may raise ``KernelError``."""

    def __init__(self, nft: Nft, owner: str) -> None:
        self._nft = nft
        self._owner = owner
        self.seen = False  # whether the chains have been brought in line since the last withdrawal

    def add(self, named: Named) -> None:
        """Add missing accepts to every chain, and delete accepts for links that are not ``named``."""
        for chain, text in self._wrong(named):
            self._nft.apply(text)
            log.debug("accept rules changed beside another firewall's", chain=str(chain))
        self.seen = True

    def wrong(self, named: Named) -> list[str]:
        """Return the chains that lack accepts, or have accepts for links that are not ``named``."""
        return [str(chain) for chain, _ in self._wrong(named)]

    def withdraw(self) -> None:
        """Delete all accepts."""
        self.seen = False
        for chain in CHAINS:
            with suppress(Missing):
                text = accepts_to_delete(chain, self._nft.list(f"chain {chain}"), self._owner)
                if text:
                    self._nft.apply(text)

    def _wrong(self, named: Named) -> Iterator[tuple[Chain, str]]:
        """Yield each chain that must change, and the text that changes it."""
        for chain in CHAINS:
            try:
                listed = self._nft.list(f"chain {chain}")
            except Missing:
                continue  # no such firewall on this host, so nobody drops there
            text = accepts_to_add(chain, listed, self._owner, named)
            text += accepts_to_delete(chain, listed, self._owner, named)
            if text:
                yield chain, text


def accepts_to_add(chain: Chain, listed: Sequence[dict[str, Any]], owner: str, named: Named = NOBODY) -> str:
    """Return the nft text that adds the accepts of ``owner`` missing from ``chain``, or "" if none is missing.

    The comment names the owner of a rule: two pynets may run side by side, and each changes only its own rules.
    """
    rules = [item["rule"] for item in listed if "rule" in item]
    there = {_conditions(rule) for rule in rules if _is_accept(rule, owner)}
    behind = next((rule["handle"] for rule in rules if _jumps_to(rule, "DOCKER-USER")), None)
    where = f"add rule {chain} position {behind}" if behind else f"insert rule {chain}"
    missing = [conditions for conditions in _wanted(chain, named) if conditions not in there]
    return "".join(f'{where} {condition_text(each)} counter accept comment "{owner}"\n' for each in missing)


def condition_text(conditions: Conditions) -> str:
    """Return conditions in the words of nft."""
    return " ".join(f'{key} "{value}"' if key.endswith("name") else f"{key} {value}" for key, value in conditions)


def accepts_to_delete(chain: Chain, listed: Sequence[dict[str, Any]], owner: str, keep: Named | None = None) -> str:
    """Return the nft text that deletes the accepts of ``owner``, with ``keep`` those of other links alone, or ""."""
    rules = [item["rule"] for item in listed if "rule" in item]
    kept = () if keep is None else _wanted(chain, keep)
    stale = [
        rule
        for rule in rules
        if rule.get("comment") == owner and not (_is_accept(rule, owner) and _conditions(rule) in kept)
    ]
    return "".join(f"delete rule {chain} handle {rule['handle']}\n" for rule in stale)


def _wanted(chain: Chain, named: Named) -> list[Conditions]:
    """Return the conditions of the accepts that belong into ``chain``."""
    if chain.asked:
        return list(QUESTIONS[chain.asked]) if chain.asked in named.asked else []
    found: list[Conditions] = [((side, name),) for name in (BRIDGES, *sorted(named.networks)) for side in chain.sides]
    if len(chain.sides) > 1:
        found += [tuple((side, name) for side in chain.sides) for name in sorted(named.lans)]
    return found


def _conditions(rule: dict[str, Any]) -> Conditions:
    """Return the links and fields that a rule names; other conditions count as links of no name."""
    matches = [part["match"] for part in rule.get("expr", []) if "match" in part]
    return tuple((_key(match["left"]), str(match["right"])) for match in matches)


def _key(left: dict[str, Any]) -> str:
    if "payload" in left:
        return " ".join(map(str, left["payload"].values()))
    return str(left.get("meta", {}).get("key", ""))


def _is_accept(rule: dict[str, Any], owner: str) -> bool:
    return rule.get("comment") == owner and {"accept": None} in rule.get("expr", [])


def _jumps_to(rule: dict[str, Any], chain: str) -> bool:
    return {"jump": {"target": chain}} in rule.get("expr", [])
