"""The chains of other firewalls that a packet meets, as far as their rules can be followed."""

from collections.abc import Iterator

from plugin.doctor.packet import Packet, Value
from plugin.doctor.rules import Base, End, Ruleset
from plugin.doctor.walls import FAMILIES, USERS
from plugin.path.model import Journey, Surroundings
from plugin.protocol.path_messages import Fate, Step

OWN = ("pynet", "docker-bridges")  # beginnings of the names of tables whose rules other steps tell
_IP = {4: "ip", 6: "ip6"}


def foreign_chains(way: Journey, facts: Surroundings, hook: str, links: tuple[str, str]) -> Iterator[Step]:
    """Yield a step for each chain that stops the packet, or might; ``links`` are those it comes and goes by."""
    if facts.listed is None:
        yield Step("firewall", f"the rules of other firewalls in hook {hook} cannot be listed", Fate.UNCLEAR)
        return
    if hook == "forward" and way.version in facts.legacy:
        yield Step("firewall", f"chain FORWARD of iptables-legacy drops IPv{way.version} by default", Fate.DROPPED)
    ruleset, packet = Ruleset(facts.listed, wary=True), _packet(way, links)
    for base in (each for each in ruleset.bases if not each.translates):
        if base.hook == hook and base.chain[0] in FAMILIES[way.version] and not base.chain[1].startswith(OWN):
            yield from _judged(ruleset, base, packet)


def _judged(ruleset: Ruleset, base: Base, packet: Packet) -> Iterator[Step]:
    end, chain = ruleset.outcome(base, packet)
    name = " ".join(chain)
    if end is End.DROPPED:
        whose = ", which has the user's own rules," if chain[2] == USERS else ""
        yield Step("firewall", f"nftables chain '{name}'{whose} drops it", Fate.DROPPED)
    elif end is End.UNKNOWN:
        yield Step("firewall", f"nftables chain '{name}' has rules that pynet cannot follow", Fate.UNCLEAR)
    else:
        yield Step("firewall", f"nftables chain '{' '.join(base.chain)}' lets it pass")


def _packet(way: Journey, links: tuple[str, str]) -> Packet:
    """Return the known fields of the first packet, after its translation."""
    ip, proto = _IP[way.version], way.service.proto
    proto = "ipv6-icmp" if (proto, way.version) == ("icmp", 6) else proto
    known: dict[str, Value] = {
        "meta nfproto": f"ipv{way.version}",
        "meta protocol": ip,
        "meta l4proto": proto,
        f"{ip} {'protocol' if way.version == 4 else 'nexthdr'}": proto,
        "ct state": "new",
        "ct status": "dnat" if way.published else "none",
    }
    for side, link in zip(("iif", "oif"), links, strict=True):
        known |= {f"meta {side}name": link, f"meta {side}": link} if link else {}
    for field, spot in (("saddr", way.source), ("daddr", way.target)):
        known |= {f"{ip} {field}": str(spot.address)} if spot.address else {}
    if way.service.port:
        known |= {f"{proto} dport": way.service.port, "th dport": way.service.port}
    elif proto == "icmp":
        known["icmp type"] = "echo-request"
    return Packet(known)
