"""pynet's two nftables tables: static rules, and sets and maps in which everything that varies is an element.

Nothing here touches the kernel: functions return text that is applied whole. The table of family inet decides who may
reach whom and translates addresses; the one of family bridge sees frames between the ports of one bridge.

  inet
    raw            containers to the host's 127.0.0.0/8      drop (route_localnet would let them in)
    publish        address, protocol and port of the host -> address and port of a container
    forward        before iptables' own filter chain, so that a drop here is final, whatever others accept
      replies, and containers of one network                 accept
      from or to an internal network                         drop
      into a network: see the chain "into"
      out to one of Docker's bridges, unless it published    drop
    input          from an internal network to a port that a process relays into another network: drop
    into           published ports, and what the gateway mode opens, accept; all else drop
    postrouting    to a published port from the container's own network, or from the host's 127.0.0.0/8: masquerade
                   out of a network: the user's source address, or masquerade; nothing towards another network
  bridge
    prerouting     to the group addresses of bridges (IEEE 802.1D), from a port of pynet's: drop (``netlink.port``)
    closed         without icc, to another MAC than the bridge's: drop, before br_netfilter translates and changes it
    forward        without icc, broadcast between two ports: drop
    (meta protocol is that of what a VLAN tag wraps, as the kernel takes the outer tag off before; ether type is not)
    guard          a frame whose MAC or addresses do not belong to the port that it comes from: drop
    tunnel         from other hosts, with the MAC or an address of the gateway or of a container of this host: drop
    input          from other hosts to the host itself, whose gateway every host has under the same address: drop
    output         from the host itself to all on other hosts: drop, nobody there shall hear of this gateway
"""

from collections.abc import Iterable, Mapping, Sequence

from netlink.setelem import ElementChange, SetType

Elements = Mapping[str, Sequence[str]]  # set or map -> elements in nft syntax

_PORT = ("inet_proto", "inet_service")
_V4, _V6 = ("ipv4_addr",), ("ipv6_addr",)
INET_SETS = (
    SetType("inet", "links", ("ifname",)),
    SetType("inet", "inside", ("ifname", "ifname")),
    SetType("inet", "internal", ("ifname",)),
    SetType("inet", "outbound", ("ifname", "nf_proto")),
    SetType("inet", "source4", ("ifname",), _V4),
    SetType("inet", "source6", ("ifname",), _V6),
    SetType("inet", "docker", ("ifname",)),
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
)
BRIDGE_SETS = (
    SetType("bridge", "closed", ("ifname",)),
    SetType("bridge", "doors", ("ifname", "ether_addr")),
    SetType("bridge", "guarded", ("ifname",)),
    SetType("bridge", "macs", ("ifname", "ether_addr")),
    SetType("bridge", "pairs4", ("ifname", "ether_addr", *_V4)),
    SetType("bridge", "pairs6", ("ifname", "ether_addr", *_V6)),
    # nft 1.0.6 has no name for the target of a neighbour advertisement: the 16 bytes behind the ICMPv6 header's 8.
    SetType("bridge", "targets", ("ifname", "@th,64,128")),
    SetType("bridge", "tunnels", ("ifname",)),
    SetType("bridge", "ours", ("ifname", "ether_addr")),
    SetType("bridge", "ours4", ("ifname", *_V4)),
    SetType("bridge", "ours6", ("ifname", *_V6)),
    SetType("bridge", "advertised", ("ifname", "@th,64,128")),
)

INET_RULES = """\
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname @links ip daddr 127.0.0.0/8 drop
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
    ct state established,related accept
    iifname . oifname @inside accept
    iifname @internal drop
    oifname @internal drop
    oifname @links goto into
    iifname @links oifname @docker ct status & dnat != dnat drop
  }
  chain input {
    type filter hook input priority filter - 1; policy accept;
    iifname @internal meta l4proto . th dport @relayed drop
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
BRIDGE_RULES = """\
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname { "pnh*", "pnv*" } drop
    iifname @closed jump closed
    iifname @guarded jump guard
    iifname @tunnels jump tunnel
  }
  chain input {
    type filter hook input priority -200; policy accept;
    iifname @tunnels drop
  }
  chain output {
    type filter hook output priority -200; policy accept;
    oifname @tunnels ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop
  }
  chain forward {
    type filter hook forward priority -200; policy accept;
    iifname @closed oifname @closed ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop
  }
  chain closed {
    ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 return
    iifname . ether daddr != @doors drop
  }
  chain guard {
    iifname . ether saddr != @macs drop
    ether type { 8021q, 8021ad } drop
    meta protocol vmap { ip : goto guard4, arp : goto arp4, ip6 : goto guard6 }
  }
  chain guard4 {
    udp sport 67 udp dport 68 drop
    iifname . ether saddr . ip saddr @pairs4 accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    drop
  }
  chain arp4 {
    arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept
    iifname . arp saddr ether . arp saddr ip @pairs4 accept
    drop
  }
  chain guard6 {
    icmpv6 type { nd-router-advert, nd-redirect } drop
    udp sport 547 udp dport 546 drop
    icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets drop
    iifname . ether saddr . ip6 saddr @pairs6 accept
    ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit } accept
    ip6 saddr :: icmpv6 type { mld-listener-report, mld2-listener-report } accept
    drop
  }
  chain tunnel {
    iifname . ether saddr @ours drop
    ether type { 8021q, 8021ad } drop
    iifname . ip saddr @ours4 drop
    iifname . arp saddr ip @ours4 drop
    iifname . ip6 saddr @ours6 drop
    icmpv6 type { nd-router-advert, nd-redirect } drop
    icmpv6 type nd-neighbor-advert iifname . @th,64,128 @advertised drop
  }
"""
FAMILIES = {"inet": (INET_SETS, INET_RULES), "bridge": (BRIDGE_SETS, BRIDGE_RULES)}
_SETS = {of.name: of for sets, _ in FAMILIES.values() for of in sets}


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


def _without(some: Elements, others: Elements) -> Elements:
    return {
        name: [value for value in values if value not in set(others.get(name, ()))] for name, values in some.items()
    }


def _add_text(table: str, elements: Elements) -> str:
    return "".join(
        f"add element {_SETS[name].family} {table} {name} {{ {', '.join(values)} }}\n"
        for name, values in elements.items()
        if values
    )
