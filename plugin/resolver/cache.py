"""Answers of other servers, for as long as they hold."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from plugin.resolver.limits import ResolverLimits


class Key(NamedTuple):
    """What tells answers apart: name and type, and whether signatures and unchecked data were asked for."""

    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType
    dnssec: bool
    unchecked: bool

    @classmethod
    def of(cls, query: dns.message.Message) -> "Key":
        """Return the key of a question."""
        asked = query.question[0]
        dnssec = bool(query.ednsflags & dns.flags.DO)
        return cls(asked.name.canonicalize(), asked.rdtype, dnssec, bool(query.flags & dns.flags.CD))


class _Kept(NamedTuple):
    answer: dns.message.Message
    since: float
    until: float


class Cache:
    """The answer that was used longest ago makes room for a new one; ``clock`` never goes back."""

    def __init__(self, limits: ResolverLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: Key, answer: dns.message.Message, size: int) -> None:
        """Keep an answer of ``size`` bytes, unless it is a failure, too large or holds for no time."""
        seconds = min(_holds(answer), self._limits.longest)
        if seconds <= 0 or size > self._limits.cached_size:
            return
        now = self._clock()
        self._kept[key] = _Kept(answer, now, now + seconds)
        self._kept.move_to_end(key)
        if len(self._kept) > self._limits.cached:
            self._kept.popitem(last=False)

    def get(self, key: Key) -> tuple[dns.message.Message, int] | None:
        """Return the answer that is kept and its age in seconds; None if there is none that still holds."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        now = self._clock()
        if now >= kept.until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return kept.answer, int(now - kept.since)


def _holds(answer: dns.message.Message) -> int:
    """Return the seconds for which an answer holds: its least TTL, or that of its SOA (RFC 2308, section 5)."""
    if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN} or answer.flags & dns.flags.TC:
        return 0
    if answer.answer and answer.rcode() == dns.rcode.NOERROR:
        asked = answer.question[0].rdtype
        if any(rrset.rdtype == asked for rrset in answer.answer):
            return min(rrset.ttl for rrset in answer.answer)
    soa = [rrset for rrset in answer.authority if rrset.rdtype == dns.rdatatype.SOA]
    return min((min(rrset.ttl, rrset[0].minimum) for rrset in soa), default=0)


def copied(answer: dns.message.Message, response: dns.message.Message, age: int) -> dns.message.Message:
    """Return ``response`` with the content of an ``answer`` of that age; TTLs are what is left of them."""
    response.set_rcode(answer.rcode())
    response.flags |= answer.flags & (dns.flags.AD | dns.flags.CD)
    for index in (1, 2, 3):
        for rrset in answer.sections[index]:
            aged = rrset
            if age:
                aged = dns.rrset.from_rdata_list(rrset.name, max(0, rrset.ttl - age), list(rrset))
            response.sections[index].append(aged)
    return response
