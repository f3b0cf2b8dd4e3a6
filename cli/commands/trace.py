"""``pynet trace``: the rules that the packets of one flow meet, in the order in which they meet them."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Any

from cli.commands.address_book import AddressBook
from cli.commands.drops import end_of, name_of
from cli.commands.name_book import NameBook
from cli.commands.path import OR_NO_END
from cli.exit_codes import BadUsage
from cli.tables import wrapped
from netlink.errors import KernelError
from netlink.headers import Headers
from netlink.iptables_legacy import TABLES
from netlink.nft_text import RuleText, rules_by_handle
from netlink.nftrace import TraceEvent, TraceEvents
from plugin.firewall.chain_words import chain_words, reason_of
from plugin.firewall.reasons import BY_NAME
from plugin.observe.traced_packets import SETTLED, TracedPacket, TracedPackets
from plugin.observe.tracing import TABLE, TracedEnd, TracedFlow, parse_service
from plugin.protocol.path_messages import EndKind

Row = Mapping[str, Any]
PAUSE = 1.0  # seconds before rules are listed again for one that is unknown
_COUNTING = ("counted_drop", "counted_refusal")
_SPAN = re.compile(r"([0-9]{1,6})(s|m|h)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, None: 1}


@dataclass(frozen=True, slots=True)
class TraceWish:
    """What the user types: both ends and the service, and when the trace ends."""

    source: str
    target: str
    service: str
    seconds: float
    count: int


def seconds_of(text: str) -> float:
    """Return the length of a span such as 10s, 2m or 1h in seconds; raises ``BadUsage``."""
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        raise BadUsage(f"--for: '{text}' is no span of time such as 10s or 2m")
    return float(int(found[1]) * _SECONDS[found[2]])


@dataclass(frozen=True, slots=True)
class TraceBooks:
    """The names that ``words`` of the user may have, and who has which address."""

    words: NameBook
    owners: AddressBook


def flow_of(wish: TraceWish, networks: Mapping[str, Any], ports: Mapping[str, Any], known: TraceBooks) -> TracedFlow:
    """Return the flow that the user means; ``networks`` and ``ports`` are the replies to the verbs of that name.

    Raises:
        NotFound, BadUsage, Failed: an end is no address, and none of pynet's containers, see ``NameBook.running``.
        InvalidRequest: the service cannot be read.
    """
    source, target = (_end(word, known) for word in (wish.source, wish.target))
    service = parse_service(wish.service)
    subnets = [ip_network(one["Subnet"]) for network in networks["Networks"] for one in network["Subnets"]]
    places = [
        (None if ip_address(port["HostIP"]).is_unspecified else ip_address(port["HostIP"]), port["HostPort"])
        for port in ports["Ports"]
        if port["HostIP"] and ip_address(port["ContainerIP"]) in target.addresses
        if (port["Proto"], port["ContainerPort"]) == (service.proto, service.port)
    ]
    return TracedFlow(source, target, service, subnets, list(dict.fromkeys(places)))


def _end(word: str, known: TraceBooks) -> TracedEnd:
    if word in {EndKind.HOST, EndKind.OUTSIDE}:
        return TracedEnd(EndKind(word))
    with suppress(ValueError):
        return TracedEnd(EndKind.ADDRESS, (ip_address(word),))
    found = known.words.running(word, OR_NO_END)
    return TracedEnd(EndKind.CONTAINER, tuple(known.owners.addresses(found.endpoints)))


def table_name() -> str:
    """Return the name of the tables of this process."""
    return f"{TABLE}-{os.getpid()}"


class RuleTexts:
    """The rules of the host by their handles; ``listing`` returns what nft prints."""

    def __init__(self, listing: Callable[[], str]) -> None:
        self._listing = listing
        self._known = rules_by_handle(listing())
        self._read_at = time.monotonic()

    def rule(self, event: TraceEvent) -> tuple[str, RuleText | None]:
        """Return the family of the table, and the rule of an event if it still is as it was."""
        found = self._found(event)
        if found is None and event.handle and time.monotonic() - self._read_at > PAUSE:
            with suppress(KernelError):
                self._known = rules_by_handle(self._listing())
            self._read_at = time.monotonic()
            found = self._found(event)
        return found or (event.families[0] if event.families else "", None)

    def _found(self, event: TraceEvent) -> tuple[str, RuleText] | None:
        for family in event.families:
            rule = self._known.get((family, event.table, event.handle))
            if rule is not None and rule.chain == event.chain:
                return family, rule
        return None

    def family(self, event: TraceEvent) -> str:
        """Return the family of the table of an event, as far as its rules tell."""
        tables = {(family, table) for family, table, _ in self._known}
        return next((family for family in event.families if (family, event.table) in tables), self.rule(event)[0])


def traced(events: TraceEvents, wish: TraceWish, table: str) -> Iterator[TracedPacket]:
    """Yield packets as they are complete, until the time is over or there are enough."""
    return islice(_complete(events, TracedPackets(table), time.monotonic() + wish.seconds), wish.count)


def _complete(events: TraceEvents, packets: TracedPackets, end: float) -> Iterator[TracedPacket]:
    """Yield packets until ``end``; a flow that never pauses has complete ones too."""
    while (now := time.monotonic()) < end:
        due = now + SETTLED
        for event in events.events(min(SETTLED, end - now)):
            now = time.monotonic()
            packets.hear(event, now)
            if now >= due:
                yield from packets.complete(now)
                due = now + SETTLED
            if now > end:
                break
        yield from packets.complete(time.monotonic())
    yield from packets.complete(time.monotonic() + SETTLED)


def row_of(packet: TracedPacket, rules: RuleTexts, known: AddressBook, own: str) -> Row:
    """Return a packet for scripts (``spec/cli/trace-line.json``); ``own`` is the name of pynet's tables."""
    steps = [_step(event, rules, own) for event in packet.events if _is_shown(event, own)]
    last = packet.events[-1] if packet.events else None
    names = [reason_of(event.chain) for event in packet.events if event.table == own]
    reason = next(filter(None, reversed(names)), "") if packet.dropped else ""
    who = f"{rules.family(last)} {last.table} {last.chain}" if last is not None and packet.dropped else ""
    return {
        **_headers(packet.headers, packet, known),
        "link_in": packet.link_in,
        "link_out": next((event.link_out for event in reversed(packet.events) if event.link_out), packet.link_out),
        "steps": steps,
        "outcome": "dropped" if packet.dropped else "passed",
        "by": who,
        "reason": reason,
        "sentence": BY_NAME[reason].sentence if reason else "",
        "opens": BY_NAME[reason].opens if reason else "",
    }


def as_text(row: Row) -> str:
    """Return a packet for people: its ends, a line for each step, and its end."""
    ends = " -> ".join(name_of(row[end]) for end in ("from", "to"))
    links = ", ".join(f"{word} {row[key]}" for word, key in (("in by", "link_in"), ("out by", "link_out")) if row[key])
    head = " ".join(filter(None, [row["protocol"], ends, row["detail"]]))
    lines = [f"{head} ({links})" if links else head]
    for step in row["steps"]:
        chain = f"{step['family']} {step['table']} {step['chain']}"
        about = f" [{step['about']}]" if step["about"] else ""
        rule = f": {step['rule']}" if step["rule"] else ""
        lines.append(wrapped(f"  {step['verdict']:8} {chain}{about}{rule}", 11))
    return "\n".join([*lines, wrapped(f"  => {_outcome(row)}", 5), ""])


def as_json_line(row: Row) -> str:
    """Return a packet for scripts, an object without line breaks."""
    return json.dumps(row)


def legacy_tables() -> Sequence[str]:
    """Return the names of tables of iptables-legacy, whose rules no trace shows."""
    found: set[str] = set()
    for path in TABLES.values():
        with suppress(OSError):
            found |= set(path.read_text().split())
    return sorted(found)


def _outcome(row: Row) -> str:
    if row["outcome"] == "passed":
        return "no rule drops it"
    if row["reason"]:
        opens = f"; to let such packets pass: {row['opens']}" if row["opens"] else ""
        return f"dropped by pynet, {row['reason']}: {row['sentence']}{opens}"
    return f"dropped by {row['by']}"


def _is_shown(event: TraceEvent, own: str) -> bool:
    """Return whether a step tells something: the ends of chains, and the log and the counts of a drop do not."""
    if event.table == own and (event.chain in _COUNTING or reason_of(event.chain)):
        return False
    return event.by_policy or event.handle != 0


def _step(event: TraceEvent, rules: RuleTexts, own: str) -> Row:
    family, rule = rules.rule(event)
    if rule is None:
        family = rules.family(event)
    text = "the policy of the chain" if event.by_policy else rule.text if rule else ""
    return {
        "family": family,
        "table": event.table,
        "chain": event.chain,
        "rule": text,
        "verdict": event.verdict,
        "to_chain": event.to_chain,
        "about": chain_words(family, event.chain) if event.table == own else "",
    }


def _headers(headers: Headers, packet: TracedPacket, known: AddressBook) -> Row:
    sender = end_of(known, "", str(headers.source or ""), packet.link_in) | {"port": headers.source_port}
    receiver = end_of(known, "", str(headers.target or ""), packet.link_out) | {"port": headers.target_port}
    return {"from": sender, "to": receiver, "protocol": headers.protocol, "detail": headers.detail}
