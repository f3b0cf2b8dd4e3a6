"""Walks a packet through the chains of other firewalls, as far as their rules can be understood.

Only a certain drop counts: if a rule that is not understood might have let the packet pass, the outcome is unknown.
So a rule that drops only some addresses is the user's choice, and a last rule that drops all the rest is found.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from plugin.doctor.packet import Packet, only_item

Rule = Mapping[str, Any]
ChainKey = tuple[str, str, str]  # family, table, chain
DEPTH = 16  # jumps within jumps, as the kernel allows (NFT_JUMP_STACK_SIZE)
_OF_OLD_CONNECTIONS = ("conntrack", "state")  # matches of iptables, whose arguments nft cannot show
_HARMLESS = ("comment", "LOG", "NFLOG", "TRACE")


class End(Enum):
    """The fate of a packet in a chain."""

    PASSES = "passes"
    DROPPED = "dropped"
    GOES_ON = "goes on"  # to the chain that jumped here, or to the policy
    UNKNOWN = "unknown"


Outcome = tuple[End, ChainKey]  # how it ends, and the chain that decides


@dataclass(frozen=True, slots=True)
class Base:
    """A base chain, which the kernel calls; one that ``translates`` addresses stops nothing."""

    chain: ChainKey
    hook: str
    policy: str
    translates: bool = False


class Ruleset:
    """The rules that ``nft -j list ruleset`` printed.

    With ``wary`` a rule that may drop the packet makes the outcome unknown too.
    """

    def __init__(self, listed: Iterable[Mapping[str, Any]], *, wary: bool = False) -> None:
        self._wary = wary
        self.bases: list[Base] = []
        self.rules: dict[ChainKey, list[Rule]] = defaultdict(list)
        self._elements: dict[tuple[str, str], dict[str, Sequence[Any]]] = defaultdict(dict)
        for item in listed:
            ((kind, what),) = item.items()
            if kind == "chain":
                chain = (what["family"], what["table"], what["name"])
                self.rules[chain] += []
                if "hook" in what:
                    self.bases.append(
                        Base(chain, what["hook"], what.get("policy", "accept"), what.get("type") == "nat")
                    )
            elif kind == "rule":
                self.rules[what["family"], what["table"], what["chain"]].append(what)
            elif kind in ("set", "map"):
                self._elements[what["family"], what["table"]][what["name"]] = what.get("elem", ())

    def outcome(self, base: Base, packet: Packet) -> Outcome:
        """Return the fate of a packet in a base chain and the chains that it jumps to."""
        end, chain = self._walk(base.chain, packet, 0)
        if end is End.GOES_ON:
            return (End.DROPPED if base.policy == "drop" else End.PASSES), base.chain
        return end, chain

    def _walk(self, chain: ChainKey, packet: Packet, depth: int) -> Outcome:
        if depth > DEPTH or chain not in self.rules:
            return End.UNKNOWN, chain
        for rule in self.rules[chain]:
            for end, where, certain in self._steps(chain, rule, packet, depth):
                if not certain and (self._wary or end is not End.DROPPED):
                    return End.UNKNOWN, chain
                if certain:
                    return end, where
        return End.GOES_ON, chain

    def _steps(self, chain: ChainKey, rule: Rule, packet: Packet, depth: int) -> Iterator[tuple[End, ChainKey, bool]]:
        """Yield the outcome of a rule, and whether it is certain; nothing if the packet goes on to the next rule."""
        certain = True
        elements = self._elements[chain[:2]]
        for expression in rule.get("expr", ()):
            ((kind, what),) = expression.items()
            if kind == "match":
                answer = packet.matches(what, elements)
            elif kind == "vmap":
                found = packet.verdict(what, elements)
                answer, (kind, what) = (None, ("unknown", None)) if found is None else (True, only_item(found))
            else:
                answer = _certainty(kind, what, rule)
            if answer is False:
                return
            certain = certain and answer is not None
            yield from self._verdict(chain, (kind, what), (packet, depth, certain))

    def _verdict(
        self, chain: ChainKey, verdict: tuple[str, Any], state: tuple[Packet, int, bool]
    ) -> Iterator[tuple[End, ChainKey, bool]]:
        (kind, what), (packet, depth, certain) = verdict, state
        if kind in ("accept", "queue", "unknown"):
            yield End.PASSES, chain, certain
        elif kind in ("drop", "reject") or _is_target(kind, what, "REJECT"):
            yield End.DROPPED, chain, certain
        elif kind == "return":
            yield End.GOES_ON, chain, certain
        elif kind in ("jump", "goto"):
            end, where = self._walk((chain[0], chain[1], what["target"]), packet, depth + 1)
            if end is not End.GOES_ON or kind == "goto":
                yield end, where, certain


def _is_target(kind: str, what: Any, name: str) -> bool:
    return kind == "xt" and isinstance(what, Mapping) and what.get("name") == name


def _certainty(kind: str, what: Any, rule: Rule) -> bool | None:
    """Return whether a packet gets past an expression that is no nft match; None if unknown."""
    if kind == "limit":
        return None
    if kind != "xt":
        return True
    name = what.get("name") if isinstance(what, Mapping) else None
    if name in _OF_OLD_CONNECTIONS:
        accepts = any("accept" in expression for expression in rule["expr"])
        return False if accepts else None  # in practice: --ctstate RELATED,ESTABLISHED -j ACCEPT
    return True if name in (*_HARMLESS, "REJECT") else None
