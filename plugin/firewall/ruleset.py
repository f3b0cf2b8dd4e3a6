"""pynet's two nftables tables: static rules, and sets and maps in which everything that varies is an element.

Nothing here touches the kernel: functions return text that is applied whole. The table of family inet decides who may
reach whom and translates addresses; the one of family bridge sees frames between the ports of one bridge.

  inet
    raw            from a port of a bridge, which has no IP stack of its own: drop
                   containers to or as the host's 127.0.0.0/8  drop (route_localnet would let them in)
    publish        address, protocol and port of the host -> address and port of a container
    forward        before iptables' own filter chain, so that a drop here is final, whatever others accept
      containers of one network                              accept
      VXLAN on its way to another member: see "tunnelled"
      from or to an internal network                         drop: before conntrack, whose errors carry data
      replies                                                accept
      errors about other flows: see the chain "errors"
      into a network: see the chain "into"
      out to one of Docker's bridges, unless it published    drop
      neither from nor to a network: see the chain "others"
    others         where pynet turned forwarding on: what is not Docker's either, drop
    input          from an internal network: see the chain "inner"
                   from elsewhere to the gateway of an internal network: drop
    inner          replies, neighbour discovery, what is new for an address of the network's bridge: accept; else drop
    errors         from a container that is no router, about a flow without an address of its own network: drop
                   from one of Docker's into a network, about what was not published: drop
    tunnelled      VXLAN of a network of this host, to it or through it to another member: from a container, from no
                   member, or by a link of guests that does not lead to the member: drop
    into           published ports, and what the gateway mode opens, accept; all else drop
    postrouting    to a published port from the container's own network, or from the host's 127.0.0.0/8: masquerade
                   out of a network: the user's source address, or masquerade; nothing towards another network
  bridge         see ``plugin.firewall.bridge_rules``
"""

from collections.abc import Iterable

from netlink.errors import KernelError
from netlink.setelem import ElementChange, SetType, check_element
from plugin.firewall.bridge_rules import BRIDGE_RULES, BRIDGE_SETS
from plugin.model.elements import Elements

_PORT = ("inet_proto", "inet_service")
_VNI = ("inet_service", "@th,96,24")
_V4, _V6 = ("ipv4_addr",), ("ipv6_addr",)
INET_SETS = (
    SetType("inet", "links", ("ifname",)),
    SetType("inet", "inside", ("ifname", "ifname")),
    SetType("inet", "internal", ("ifname",)),
    SetType("inet", "shared", ("ifname",)),
    SetType("inet", "inner4", _V4),
    SetType("inet", "inner6", _V6),
    SetType("inet", "homes4", ("ifname", *_V4), interval=True),
    SetType("inet", "homes6", ("ifname", *_V6), interval=True),
    SetType("inet", "routers4", _V4),
    SetType("inet", "routers6", _V6),
    SetType("inet", "outbound", ("ifname", "nf_proto")),
    SetType("inet", "source4", ("ifname",), _V4),
    SetType("inet", "source6", ("ifname",), _V6),
    SetType("inet", "docker", ("ifname",)),
    SetType("inet", "reserved", ("nf_proto",)),
    SetType("inet", "switched", ("ifname", "ifname")),
    SetType("inet", "unprotected", ("ifname", "nf_proto")),
    SetType("inet", "direct", ("ifname", "nf_proto", "inet_proto")),
    SetType("inet", "trusted", ("ifname", "ifname")),
    SetType("inet", "open4", (*_V4, *_PORT)),
    SetType("inet", "open6", (*_V6, *_PORT)),
    SetType("inet", "mates4", _V4 * 2, interval=True),
    SetType("inet", "mates6", _V6 * 2, interval=True),
    SetType("inet", "near4", (*_V4, *_PORT)),
    SetType("inet", "near6", (*_V6, *_PORT)),
    SetType("inet", "ports4", (*_V4, *_PORT), (*_V4, "inet_service")),
    SetType("inet", "ports6", (*_V6, *_PORT), (*_V6, "inet_service")),
    SetType("inet", "anywhere4", _PORT, (*_V4, "inet_service")),
    SetType("inet", "anywhere6", _PORT, (*_V6, "inet_service")),
    SetType("inet", "relayed", _PORT),
    # nft 1.0.6 has no name for the VNI: the 3 bytes behind the UDP header's 8 and the first 4 of VXLAN's (RFC 7348).
    SetType("inet", "vnis", _VNI),
    SetType("inet", "members4", (*_V4, *_VNI)),
    SetType("inet", "members6", (*_V6, *_VNI)),
)
INET_RULES = """\
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname "pnh*" drop
    iifname "pnv*" drop
    ip daddr 127.0.0.0/8 iifname @links drop
    ip saddr 127.0.0.0/8 iifname @links drop
  }
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @ports4
    fib daddr type local dnat ip to meta l4proto . th dport map @anywhere4
    ip6 saddr fe80::/10 return
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6
    fib daddr type local dnat ip6 to meta l4proto . th dport map @anywhere6
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 127.0.0.0/8 return
    jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    jump publish
  }
  chain forward {
    type filter hook forward priority filter - 1; policy accept;
    iifname . oifname @inside accept
    meta l4proto udp jump vxlan_through
    iifname @internal drop
    oifname @internal drop
    ct state vmap { established : goto known, related : goto errors }
    oifname @links goto into
    iifname @links oifname @docker ct status & dnat != dnat drop
    iifname @links accept
    goto others
  }
  chain known {
    iifname @links accept
    oifname @links accept
    goto others
  }
  chain others {
    meta nfproto != @reserved accept
    iifname "pn-*" accept
    oifname "pn-*" accept
    iifname . oifname @switched accept
    iifname @docker accept
    oifname @docker ct state established,related accept
    oifname @docker ct status & dnat == dnat accept
    drop
  }
  chain input {
    type filter hook input priority filter - 1; policy accept;
    udp dport . @th,96,24 @vnis jump tunnelled
    ct state related iifname @links goto errors
    iifname @internal goto inner
    ip daddr @inner4 iifname != "lo" drop
    ip6 daddr @inner6 iifname != "lo" drop
  }
  chain inner {
    ct state established accept
    meta l4proto . th dport @relayed drop
    iifname @shared accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ip6 saddr fe80::/10 drop
    ct state new fib daddr . iif type local accept
    drop
  }
  chain errors {
    iifname @links goto own_errors
    iifname @docker oifname @links ct status & dnat != dnat drop
    oifname @links accept
    goto others
  }
  chain own_errors {
    ip saddr @routers4 accept
    ip6 saddr @routers6 accept
    iifname . ct original ip saddr @homes4 accept
    iifname . ct reply ip saddr @homes4 accept
    iifname . ct original ip6 saddr @homes6 accept
    iifname . ct reply ip6 saddr @homes6 accept
    drop
  }
  chain vxlan_through {
    ip daddr . udp dport . @th,96,24 @members4 goto tunnelled
    ip6 daddr . udp dport . @th,96,24 @members6 goto tunnelled
  }
  chain tunnelled {
    iifname @links counter drop
    iifname @docker counter drop
    meta iifkind { "bridge", "veth", "tun", "macvlan", "ipvlan" } fib saddr . iif oif missing counter drop
    ip saddr . udp dport . @th,96,24 @members4 return
    ip6 saddr . udp dport . @th,96,24 @members6 return
    counter drop
  }
  chain into {
    ct status & dnat == dnat accept
    oifname . meta nfproto @unprotected accept
    oifname . meta nfproto . meta l4proto @direct accept
    ip daddr . meta l4proto . th dport @open4 accept
    ip6 daddr . meta l4proto . th dport @open6 accept
    iifname . oifname @trusted ip daddr . meta l4proto . th dport @near4 accept
    iifname . oifname @trusted ip6 daddr . meta l4proto . th dport @near6 accept
    drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ct status & dnat == dnat ip saddr . ip daddr @mates4 masquerade
    ct status & dnat == dnat ip6 saddr . ip6 daddr @mates6 masquerade
    oifname @links ip saddr 127.0.0.0/8 masquerade
    oifname @links return
    snat ip to iifname map @source4
    snat ip6 to iifname map @source6
    iifname . meta nfproto @outbound masquerade
  }
"""
FAMILIES = {"inet": (INET_SETS, INET_RULES), "bridge": (BRIDGE_SETS, BRIDGE_RULES)}
_SETS = {of.name: of for sets, _ in FAMILIES.values() for of in sets}
MAPS = frozenset(name for name, of in _SETS.items() if of.data)
PORTS_OF = "ports of "  # begins the name of an owner whose elements publish the ports of an endpoint


def tables_text(table: str, contents: Iterable[Elements]) -> str:
    """Return the transaction that replaces both tables whole by the static rules and ``contents``."""
    lines = [remove_text(table)]
    for family, (sets, rules) in FAMILIES.items():
        declared = "".join(f"  {of.declaration}\n" for of in sets)
        lines.append(f"table {family} {table} {{\n{declared}{rules}}}\n")
    return "".join([*lines, *(_add_text(table, elements) for elements in contents)])


def remove_text(table: str) -> str:
    """Return the transaction that removes both tables, there or not."""
    return "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in FAMILIES)


def changes(before: Elements, after: Elements) -> list[ElementChange]:
    """Return what turns ``before`` into ``after``."""
    going, coming = _without(before, after), _without(after, before)
    gone = [ElementChange(False, _SETS[name], values) for name, values in going.items() if values]
    return gone + [ElementChange(True, _SETS[name], values) for name, values in coming.items() if values]


def misfit(elements: Elements) -> str:
    """Say which of ``elements`` is no element of its set, or nothing: it never becomes text, nor would it stay one."""
    try:
        for name, values in elements.items():
            for value in values:
                check_element(_SETS[name], value)
    except KernelError as error:
        return str(error)
    return ""


def _without(some: Elements, others: Elements) -> Elements:
    known = {name: frozenset(others.get(name, ())) for name in some}
    return {name: [value for value in values if value not in known[name]] for name, values in some.items()}


def _add_text(table: str, elements: Elements) -> str:
    return "".join(
        f"add element {_SETS[name].family} {table} {name} {{ {', '.join(values)} }}\n"
        for name, values in elements.items()
        if values
    )
