"""The nftables tables that mark the packets of one flow, in both directions, so that the kernel traces them.

The tables have the flag ``owner``: the kernel removes them when the process that made them ends, however it ends. They
mark at most a few packets a second, so that a busy flow does not fill the listener.
"""

from collections.abc import Iterator, Sequence

from netlink.values import dataclass
from plugin.errors import InvalidRequest
from plugin.protocol.messages import Address, Subnet
from plugin.protocol.path_messages import EndKind, Service

ANY = "any"  # a protocol
TABLE = "pynet-trace"  # begins the names of the tables
_EARLY, _TRACKED = -350, -150  # before every chain of others; behind connection tracking
_MARK = "limit rate 20/second burst 20 packets meta nftrace set 1"
_IP, _BITS = {4: "ip", 6: "ip6"}, {4: "icmp", 6: "ipv6-icmp"}
_LARGEST = 65535


@dataclass(frozen=True, slots=True)
class TracedEnd:
    """An end of a flow: the host, the outside, or addresses, which are a container's or any others."""

    kind: EndKind
    addresses: Sequence[Address] = ()


@dataclass(frozen=True, slots=True)
class TracedFlow:
    """A flow; ``subnets`` are those of all networks, which the outside is not in.

    ``published`` are the ports of the host that lead to the target, with an address or on all.
    """

    source: TracedEnd
    target: TracedEnd
    service: Service
    subnets: Sequence[Subnet] = ()
    published: Sequence[tuple[Address | None, int]] = ()


def parse_service(text: str) -> Service:
    """Read tcp/80, udp/53, tcp, icmp or any.

    Raises:
        InvalidRequest: it is none of these.
    """
    proto, separator, port = text.partition("/")
    plain = proto in {"tcp", "udp", "sctp", "icmp", ANY} and not separator
    numbered = proto in {"tcp", "udp", "sctp"} and port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST
    if not plain and not numbered:
        raise InvalidRequest(f"'{text}' is no service; write tcp/80, udp/53, sctp/9, tcp, icmp or any")
    return Service(proto, int(port or 0))


def trace_text(name: str, flow: TracedFlow) -> str:
    """Return the transaction that makes the tables ``name`` of families inet and bridge."""
    early = [rule for version in (4, 6) for rule in _rules(flow, version, bridged=False)]
    tracked = [rule for version in (4, 6) for rule in _translated(flow, version)]
    frames = [rule for version in (4, 6) for rule in _rules(flow, version, bridged=True)]
    chains = [("incoming", "prerouting", _EARLY, early), ("outgoing", "output", _EARLY, early)]
    chains += [("replies_in", "prerouting", _TRACKED, tracked), ("replies_out", "output", _TRACKED, tracked)]
    return _table("inet", name, chains) + _table("bridge", name, [("frames", "prerouting", _EARLY, frames)])


def _table(family: str, name: str, chains: Sequence[tuple[str, str, int, Sequence[str]]]) -> str:
    lines = [f"table {family} {name} {{", "  flags owner"]
    for chain, hook, priority, rules in chains:
        lines += [f"  chain {chain} {{", f"    type filter hook {hook} priority {priority}; policy accept;"]
        lines += [*(f"    {rule} {_MARK}" for rule in rules), "  }"]
    return "\n".join([*lines, "}\n"])


def _rules(flow: TracedFlow, version: int, *, bridged: bool) -> Iterator[str]:
    """Yield rules for packets as they are sent: those to the target, those to its published ports, and replies."""
    source, target = (
        (_match(flow, end, version, "saddr", bridged=bridged), _match(flow, end, version, "daddr", bridged=bridged))
        for end in (flow.source, flow.target)
    )
    if source[0] is not None and target[1] is not None:
        yield _joined(source[0], target[1], _service(flow.service, version, "dport"))
        yield _joined(target[0], source[1], _service(flow.service, version, "sport"))
    if source[0] is None or bridged:
        return
    for address, port in flow.published:
        if address is None or address.version == version:
            place = f"{_IP[version]} daddr {address}" if address else f"meta nfproto ipv{version} fib daddr type local"
            yield _joined(source[0], place, f"{flow.service.proto} dport {port}")


def _translated(flow: TracedFlow, version: int) -> Iterator[str]:
    """Yield rules for replies to the host, which connection tracking will lead back to the source."""
    target = _match(flow, flow.target, version, "saddr", bridged=False)
    if flow.source.kind in {EndKind.HOST, EndKind.OUTSIDE} or target is None:
        return
    if own := _addresses(flow.source, version):
        begun = f"ct direction reply ct original {_IP[version]} saddr {own}"
        yield _joined(begun, target, _service(flow.service, version, "sport"))


def _match(flow: TracedFlow, end: TracedEnd, version: int, side: str, *, bridged: bool) -> str | None:
    """Return the match of an end, None where it has no address of this version; a bridge knows no local addresses."""
    ip = _IP[version]
    if end.kind in {EndKind.CONTAINER, EndKind.ADDRESS}:
        own = _addresses(end, version)
        return f"{ip} {side} {own}" if own else None
    local = "" if bridged else f"fib {side} type {'' if end.kind == EndKind.HOST else '!= '}local"
    known = ", ".join(str(subnet) for subnet in flow.subnets if subnet.version == version)
    outside = f"{ip} {side} != {{ {known} }}" if known and end.kind == EndKind.OUTSIDE else ""
    kind = "" if bridged else f"meta nfproto ipv{version}"
    return _joined(kind, outside, local)


def _addresses(end: TracedEnd, version: int) -> str:
    own = ", ".join(str(address) for address in end.addresses if address.version == version)
    return f"{{ {own} }}" if own else ""


def _service(service: Service, version: int, side: str) -> str:
    if service.proto == ANY:
        return ""
    if service.port:
        return f"{service.proto} {side} {service.port}"
    return f"meta l4proto {_BITS[version] if service.proto == 'icmp' else service.proto}"


def _joined(*parts: str | None) -> str:
    return " ".join(filter(None, parts))
