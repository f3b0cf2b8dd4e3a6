"""Why pynet's tables drop packets: a name that stays the same, a sentence for users, and the option that opens it.

Each reason has a chain ``drop_NAME``, to which a rule goes in the place of ``drop``. The chain logs some packets by
nfnetlink_log, which costs next to nothing while nobody listens, and counts all: packets that pass cost nothing.

  drops     counts every packet by reason, link in and link out; the kernel forgets one REMEMBERED after its last packet
  drops4/6  in the table of family inet, where sources may be anybody: by reason, link in, source and target, as far as
            there is room; nft has no key that has room for the link out as well

A rule marks the packet with the number of its reason, which is the first part of these keys. The packet is dropped by
the next rule, so nobody else sees the mark. Numbers may change with every version, as the tables are then written anew.
"""

from collections.abc import Sequence

from netlink.values import dataclass

FLOOD = 4000  # frames to all that one port may send to other hosts in a second; each costs a copy for each host
REMEMBERED = 600  # seconds that the kernel keeps a count after its last packet
LOG_GROUP = 5679  # of nfnetlink_log; one process at a time can listen to it
LOG_PREFIX = "pynet:"  # before the name of a reason
DIRECT_SOURCE = "direct_source"
SNAPLEN = 96  # bytes of a logged packet: both IP headers of an ICMP error about TCP over IPv6 do not fit, ports do
_LOGGED = "limit rate 10/second burst 20 packets"  # of each reason
_REJECTS = ("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited")
_PAIRS = 8192  # counts by source and target; more are counted by link alone
_EGRESS = "name it in -o pynet.allow_out of the network or of the container"
_FROM = "name the sender in -o pynet.from of the network or of the container"
_SEGMENT = "let both hosts reach each other's PYNET_ADVERTISE by links on one segment"
_GUARD = "name the sender in -o pynet.guard_allow of the network or of the container, or set -o pynet.guard=off there"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in the table of ``family``: ``sentence`` ends "packets that were dropped: …".

    ``opens`` says how to let them pass, and is "" if nothing does. ``by_target`` says that the network in which the
    packet was to go out decided, not the one from which it came. ``guard`` says that a container sent as somebody else.
    Where it ``refuses``, there is also a chain ``refuse_NAME``, which tells the sender.
    """

    name: str
    family: str
    sentence: str
    opens: str = ""
    by_target: bool = False
    guard: bool = False
    refuses: bool = False


_I, _B = "inet", "bridge"
REASONS: Sequence[Reason] = (
    Reason("mac", _B, "from a MAC that it was not given", _GUARD, guard=True),
    Reason("address", _B, "from an address that it was not given", _GUARD, guard=True),
    Reason(
        "protocol",
        _B,
        "neither IPv4, ARP nor IPv6, or with a VLAN tag, or ICMPv6 of a type that containers do not need",
        _GUARD,
        guard=True,
    ),
    Reason(
        "neighbour",
        _B,
        "neighbour discovery for an address that it was not given, or in fragments",
        _GUARD,
        guard=True,
    ),
    Reason("router", _B, "what only a router sends: advertisements, redirects, multicast queries", _GUARD, guard=True),
    Reason("dhcp", _B, "what only a DHCP server sends", _GUARD, guard=True),
    Reason("unreadable", _B, "with headers that cannot be followed", _GUARD, guard=True),
    Reason(
        "flood",
        _B,
        "more frames to all than one port may send to other hosts",
        f"only the first {FLOOD} in a second pass; send less, or to single hosts",
        guard=True,
    ),
    Reason("group", _B, "to the group addresses of bridges (IEEE 802.1D), as LLDP and spanning trees send them"),
    Reason(
        "icc",
        _B,
        "to a neighbour on a network whose containers do not reach each other",
        "create the network without com.docker.network.bridge.enable_icc=false",
    ),
    Reason("other_host", _B, "from a container of another host to this host itself"),
    Reason("loopback", _I, "from a container to or from the host's 127.0.0.0/8"),
    Reason("bridge_port", _I, "from a port of a bridge past the bridge"),
    Reason(
        "internal_out",
        _I,
        "from an internal network to the outside or another network",
        "create the network without --internal, or attach the container to a second network",
    ),
    Reason(
        "internal_in",
        _I,
        "to an internal network from the outside or another network",
        "create the network without --internal, or attach the container to a second network",
        by_target=True,
    ),
    Reason(
        "internal_host",
        _I,
        "from an internal network to the host, but not to a service at the gateway address of its bridge",
        "ask for the gateway address of the network, or create it without --internal",
    ),
    Reason("internal_gateway", _I, "to the gateway address of an internal network, from elsewhere"),
    Reason(
        "docker_network",
        _I,
        "from a container to a network of Docker's own drivers, to a port that Docker did not publish",
        "publish the port with docker run -p, and use an address of the host",
    ),
    Reason(
        "isolation",
        _I,
        "from outside of its network to a port of a container that is not published",
        "publish the port with docker run -p, put both containers on one network, or use another "
        "com.docker.network.bridge.gateway_mode_ipv4 (gateway_mode_ipv6)",
        by_target=True,
    ),
    Reason("icmp_error", _I, "an ICMP error about a flow in which no address of its network takes part", _GUARD),
    Reason(
        "forwarding",
        _I,
        "neither from nor to a container, on a host that forwards for containers alone",
        "write 1 into net.ipv4.ip_forward (net.ipv6.conf.all.forwarding) if the host is to route for others",
    ),
    Reason("vxlan_container", _I, "VXLAN of a network of this host, from a container"),
    Reason(
        "vxlan_stranger",
        _I,
        "VXLAN of a network of this host, from nobody who is a member or not by the link that leads there",
        "see 'pynet cluster status' for the addresses of the members",
    ),
    Reason(
        "resolver",
        _I,
        "to pynet's resolver, but not a DNS question of a container to 169.254.53.53 or to its gateway",
        "ask port 53 of the gateway address of the network, with -o pynet.dns=on",
    ),
    Reason(DIRECT_SOURCE, _I, "from a container of another host, by a link that does not lead to that host", _SEGMENT),
    Reason(
        "vxlan_clear",
        _I,
        "VXLAN of an encrypted network, to or from this host, without encryption",
        "see 'pynet cluster status'; all hosts need pynet.encrypt=wireguard",
    ),
    Reason("wireguard", _I, "by pynet's WireGuard link, and no VXLAN of an encrypted network"),
    Reason("egress", _I, "from a container to what its pynet.allow_out does not name", _EGRESS, refuses=True),
    Reason("egress_neighbour", _B, "from a container to a neighbour that its pynet.allow_out does not name", _EGRESS),
    Reason("from", _I, "to a container from whom its pynet.from does not name", _FROM, by_target=True, refuses=True),
    Reason(
        "from_neighbour", _B, "to a container from a neighbour that its pynet.from does not name", _FROM, by_target=True
    ),
    Reason(
        "ended",
        _B,
        "an answer between neighbours, in a connection that a changed policy forbids",
        "name the client in -o pynet.from of the server, and the server in -o pynet.allow_out of the client",
    ),
    Reason(
        "publish_from",
        _I,
        "to a published port from whom its pynet.publish_from does not name",
        "name the sender in -o pynet.publish_from of the network or of the container",
        by_target=True,
        refuses=True,
    ),
    Reason("ethertype", _B, "neither IP nor ARP, from or to a container with pynet.from or pynet.egress=deny"),
)
BY_NAME = {reason.name: reason for reason in REASONS}
BY_NUMBER = dict(enumerate(REASONS, 1))


def drop_rules(family: str) -> str:
    """Return the sets and chains that count, log and drop in the table of ``family``."""
    declared = [_set("drops", "ifname", 65535, "Dropped packets: reason, link in, link out")]
    counted = [_update("drops", "oifname")]
    if family == _I:
        for name, ip, address in (("drops4", "ip", "ipv4_addr"), ("drops6", "ip6", "ipv6_addr")):
            declared.append(_set(name, f"{address} . {address}", _PAIRS, "Dropped packets: reason, link in, addresses"))
            counted.append(_update(name, f"{ip} saddr . {ip} daddr"))
    lines = [*declared, *_chain("counted_drop", *counted, "drop")]
    if family == _I:
        lines += _chain("counted_refusal", *counted, *_REJECTS)
    for number, reason in BY_NUMBER.items():
        if reason.family == family:
            log = f'log prefix "{LOG_PREFIX}{reason.name}" group {LOG_GROUP} snaplen {SNAPLEN}'
            for chain, end in (("drop", "counted_drop"), ("refuse", "counted_refusal"))[: 1 + reason.refuses]:
                lines += _chain(f"{chain}_{reason.name}", f"{_LOGGED} {log}", f"meta mark set {number} goto {end}")
    return "".join(f"  {line}\n" for line in lines)


def without_log(rules: str) -> str:
    """Return rules without those that log packets, for a kernel without nfnetlink_log."""
    return "".join(line for line in rules.splitlines(keepends=True) if f'log prefix "{LOG_PREFIX}' not in line)


def reason_table() -> str:
    """Return the table of reasons in Markdown."""
    rows = [f"| `{each.name}` | {each.sentence} | {each.opens or 'always closed'} |" for each in REASONS]
    return "\n".join(["| reason | dropped packets | how they pass |", "|---|---|---|", *rows])


def _chain(name: str, *rules: str) -> list[str]:
    return [f"chain {name} {{", *(f"  {rule}" for rule in rules), "}"]


def _set(name: str, rest: str, size: int, comment: str) -> str:
    return f'set {name} {{ type mark . ifname . {rest}; size {size}; flags dynamic,timeout; comment "{comment}"; }}'


def _update(name: str, rest: str) -> str:
    return f"update @{name} {{ meta mark . iifname . {rest} timeout {REMEMBERED}s counter }}"
