"""Finds rules in nft's listing of the ruleset by their handles, in the words in which nft prints them."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_TABLE = re.compile(r"table (\w+) (\S+) {")
_CHAIN = re.compile(r"chain (\S+) {")
_HANDLE = re.compile(r"(.*?)\s*# handle (\d+)")


class RuleText(NamedTuple):
    """A rule, the chain that has it, and the words that nft prints for it."""

    chain: str
    text: str


def rules_by_handle(listing: str) -> Mapping[tuple[str, str, int], RuleText]:
    """Return the rules in the output of ``nft -a list ruleset``, by family, table and handle."""
    return dict(_rules(listing))


def _rules(listing: str) -> Iterator[tuple[tuple[str, str, int], RuleText]]:
    family = table = chain = ""
    words: list[str] = []  # of a rule that nft prints on several lines
    for line in map(str.strip, listing.splitlines()):
        if found := _TABLE.match(line):
            family, table, chain = found[1], found[2], ""
        elif found := _CHAIN.match(line):
            chain, words = found[1], []
        elif line == "}":
            chain = "" if not words else chain
        elif chain and not line.startswith("type "):
            words.append(line)
            if rule := _HANDLE.fullmatch(line):
                yield (family, table, int(rule[2])), RuleText(chain, " ".join([*words[:-1], rule[1]]))
                words = []
