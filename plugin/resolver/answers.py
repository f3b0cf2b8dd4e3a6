"""Answers to questions: names of containers from a ``Zone``, and what the resolver refuses.

Names below ``pynet.`` are pynet's alone and never asked elsewhere. A name without a dot, or an address, that the zone
does not know may be known to the host's servers, so the question goes on, as the engine's resolver does it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from plugin.model.resolver_place import DOMAIN, HOST, ITSELF, RESOLVER
from plugin.protocol.messages import Address
from plugin.resolver.limits import ResolverLimits
from plugin.resolver.zone import Zone

TTL = 5  # seconds: a container may move at any time
OWN = dns.name.from_text(DOMAIN.removeprefix("."))
_SOA = f"{OWN} hostmaster.{OWN} 1 3600 600 86400 {TTL}"
_VERSIONS = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
_NOT_ANSWERED = {dns.rdatatype.ANY, dns.rdatatype.AXFR, dns.rdatatype.IXFR, dns.rdatatype.MAILA, dns.rdatatype.MAILB}
_TURNS = 1000  # names whose last first address is remembered


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: ``network`` is that of a container, HOST of the host itself, None of a container of another driver."""

    address: Address
    network: str | None


def read(wire: bytes) -> dns.message.Message | None:
    """Return the message; one that cannot be read comes back as a response FORMERR, and None is not answered at all."""
    try:
        query = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError):
        if len(wire) < 12 or wire[2] & 0x80:
            return None
        broken = dns.message.Message(int.from_bytes(wire[:2]))
        broken.flags = dns.flags.QR
        broken.set_opcode(dns.opcode.Opcode((wire[2] >> 3) & 0xF))
        broken.set_rcode(dns.rcode.FORMERR)
        return broken
    return None if query.flags & dns.flags.QR else query


def reply(query: dns.message.Message, limits: ResolverLimits) -> dns.message.Message:
    """Return an empty response to ``query``."""
    response = dns.message.make_response(query, recursion_available=True, our_payload=limits.payload)
    response.flags |= query.flags & dns.flags.CD
    return response


class OwnAnswers:
    """Answers what needs no other server."""

    def __init__(self, zone: Zone, limits: ResolverLimits) -> None:
        self._zone = zone
        self._limits = limits
        self._turns: OrderedDict[tuple[str, str, int], int] = OrderedDict()

    def answer(self, query: dns.message.Message, client: Asker) -> dns.message.Message | None:
        """Return the response; None if another server must be asked."""
        refusal = self._refusal(query)
        if refusal is not None:
            response = reply(query, self._limits) if query.opcode() == dns.opcode.QUERY else _bare(query)
            response.set_rcode(refusal)
            return response
        asked = query.question[0]
        found = self._own(query, client, asked)
        if found is None and client.network == HOST:
            found = reply(query, self._limits)  # the host asks its own servers; else a question could go in circles
            found.set_rcode(dns.rcode.REFUSED)
        if found is None and not query.flags & dns.flags.RD:
            found = reply(query, self._limits)
            found.set_rcode(dns.rcode.REFUSED)
        return found

    @staticmethod
    def _refusal(query: dns.message.Message) -> dns.rcode.Rcode | None:
        if query.opcode() != dns.opcode.QUERY:
            return dns.rcode.NOTIMP
        if len(query.question) != 1:
            return dns.rcode.FORMERR
        if query.edns > 0:
            return dns.rcode.BADVERS
        asked = query.question[0]
        refused = asked.rdclass != dns.rdataclass.IN or asked.rdtype in _NOT_ANSWERED
        return dns.rcode.REFUSED if refused else None

    def _own(self, query: dns.message.Message, client: Asker, asked: dns.rrset.RRset) -> dns.message.Message | None:
        """Return the response from the zone; None if it does not know the name, and others may."""
        text = asked.name.to_text(omit_final_dot=True).lower()
        network = client.network
        if network is not None and (address := _reversed(asked.name)) is not None:
            names = self._zone.names(network, address)
            return self._response(query, asked, [f"{name}." for name in names], dns.rdatatype.PTR) if names else None
        if network is not None and (addresses := self._zone.addresses(network, text)) is not None:
            version = _VERSIONS.get(asked.rdtype)
            found = [str(one) for one in addresses if one.version == version]
            return self._response(query, asked, self._turned(network, text, asked.rdtype, found), asked.rdtype)
        if text == ITSELF:
            places = [str(place) for version, place in RESOLVER.items() if version == _VERSIONS.get(asked.rdtype)]
            return self._response(query, asked, places, asked.rdtype)
        if asked.name.is_subdomain(OWN):
            response = self._response(query, asked, (), asked.rdtype)
            if asked.name != OWN:
                response.set_rcode(dns.rcode.NXDOMAIN)
            return response
        return None

    def _response(
        self, query: dns.message.Message, asked: dns.rrset.RRset, values: Sequence[str], rdtype: dns.rdatatype.RdataType
    ) -> dns.message.Message:
        response = reply(query, self._limits)
        response.flags |= dns.flags.AA
        if values and asked.rdtype == rdtype:
            response.answer.append(
                dns.rrset.from_text_list(asked.name, TTL, "IN", dns.rdatatype.to_text(rdtype), values)
            )
        else:
            zone = OWN if asked.name.is_subdomain(OWN) else asked.name
            response.authority.append(dns.rrset.from_text(zone, TTL, "IN", "SOA", _SOA))
        return response

    def _turned(self, network: str, name: str, rdtype: int, found: list[str]) -> list[str]:
        """Return the addresses, with another one first each time."""
        if len(found) < 2:
            return found
        key = (network, name, rdtype)
        turn = self._turns[key] = (self._turns.get(key, -1) + 1) % len(found)
        self._turns.move_to_end(key)
        if len(self._turns) > _TURNS:
            self._turns.popitem(last=False)
        return found[turn:] + found[:turn]


def _bare(query: dns.message.Message) -> dns.message.Message:
    """Return a response without a question, to an operation that is no question."""
    response = dns.message.Message(query.id)
    response.flags = dns.flags.QR
    response.set_opcode(query.opcode())
    return response


def _reversed(name: dns.name.Name) -> Address | None:
    """Return the address of a name below in-addr.arpa or ip6.arpa."""
    if not (
        name.is_subdomain(dns.reversename.ipv4_reverse_domain) or name.is_subdomain(dns.reversename.ipv6_reverse_domain)
    ):
        return None
    try:
        return ip_address(dns.reversename.to_address(name))
    except (dns.exception.DNSException, ValueError):
        return None
