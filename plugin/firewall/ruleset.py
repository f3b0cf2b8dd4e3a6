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
    into           published ports, and what the gateway mode opens, accept; all else drop
    postrouting    to a published port from the container's own network, or from the host's 127.0.0.0/8: masquerade
                   out of a network: the user's source address, or masquerade; nothing towards another network
  bridge
    closed         without icc, to another MAC than the bridge's: drop, before br_netfilter translates and changes it
    forward        without icc, broadcast between two ports: drop
    guard          a frame whose MAC or addresses do not belong to the port that it comes from: drop
"""

from collections.abc import Iterable, Mapping, Sequence

Elements = Mapping[str, Sequence[str]]  # set or map -> elements in nft syntax

_PORT = "inet_proto . inet_service"
INET_SETS = {
    "links": "set links { type ifname; }",
    "inside": "set inside { type ifname . ifname; }",
    "internal": "set internal { type ifname; }",
    "outbound": "set outbound { type ifname . nf_proto; }",
    "source4": "map source4 { type ifname : ipv4_addr; }",
    "source6": "map source6 { type ifname : ipv6_addr; }",
    "docker": "set docker { type ifname; }",
    "unprotected": "set unprotected { type ifname . nf_proto; }",
    "direct": "set direct { type ifname . nf_proto . inet_proto; }",
    "trusted": "set trusted { type ifname . ifname; }",
    "open4": f"set open4 {{ type ipv4_addr . {_PORT}; }}",
    "open6": f"set open6 {{ type ipv6_addr . {_PORT}; }}",
    "mates4": "set mates4 { type ipv4_addr . ipv4_addr; flags interval; }",
    "mates6": "set mates6 { type ipv6_addr . ipv6_addr; flags interval; }",
    "near4": f"set near4 {{ type ipv4_addr . {_PORT}; }}",
    "near6": f"set near6 {{ type ipv6_addr . {_PORT}; }}",
    "ports4": f"map ports4 {{ type ipv4_addr . {_PORT} : ipv4_addr . inet_service; }}",
    "ports6": f"map ports6 {{ type ipv6_addr . {_PORT} : ipv6_addr . inet_service; }}",
    "anywhere4": f"map anywhere4 {{ type {_PORT} : ipv4_addr . inet_service; }}",
    "anywhere6": f"map anywhere6 {{ type {_PORT} : ipv6_addr . inet_service; }}",
}
BRIDGE_SETS = {
    "closed": "set closed { type ifname; }",
    "doors": "set doors { type ifname . ether_addr; }",
    "guarded": "set guarded { type ifname; }",
    "macs": "set macs { type ifname . ether_addr; }",
    "pairs4": "set pairs4 { type ifname . ether_addr . ipv4_addr; }",
    "pairs6": "set pairs6 { type ifname . ether_addr . ipv6_addr; }",
    # nft 1.0.6 has no name for the target of a neighbour advertisement: the 16 bytes behind the ICMPv6 header's 8.
    "targets": "set targets { typeof iifname . @th,64,128; }",
}

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
    iifname @closed jump closed
    iifname @guarded jump guard
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
    meta protocol vmap { ip : goto guard4, arp : goto arp4, ip6 : goto guard6, 8021q : drop, 8021ad : drop }
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
"""
FAMILIES = {"inet": (INET_SETS, INET_RULES), "bridge": (BRIDGE_SETS, BRIDGE_RULES)}
_FAMILY_OF = {name: family for family, (sets, _) in FAMILIES.items() for name in sets}


def tables_text(table: str, contents: Iterable[Elements]) -> str:
    """Return the transaction that replaces both tables whole by the static rules and ``contents``."""
    lines = [remove_text(table)]
    for family, (sets, rules) in FAMILIES.items():
        declared = "".join(f"  {declaration}\n" for declaration in sets.values())
        lines.append(f"table {family} {table} {{\n{declared}{rules}}}\n")
    return "".join([*lines, *(add_text(table, elements) for elements in contents)])


def remove_text(table: str) -> str:
    """Return the transaction that removes both tables, there or not."""
    return "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in FAMILIES)


def add_text(table: str, elements: Elements) -> str:
    """Return the lines that add ``elements``; adding what is there already changes nothing."""
    return "".join(_lines("add", table, elements))


def delete_text(table: str, elements: Elements) -> str:
    """Return the lines that delete ``elements``, present or not: nft refuses to delete what is absent."""
    return add_text(table, elements) + "".join(_lines("delete", table, elements))


def change_text(table: str, before: Elements, after: Elements) -> str:
    """Return the lines that turn ``before`` into ``after``."""
    return delete_text(table, _without(before, after)) + add_text(table, _without(after, before))


def _without(some: Elements, others: Elements) -> Elements:
    return {
        name: [value for value in values if value not in set(others.get(name, ()))] for name, values in some.items()
    }


def _lines(verb: str, table: str, elements: Elements) -> Iterable[str]:
    for name, values in elements.items():
        if values:
            yield f"{verb} element {_FAMILY_OF[name]} {table} {name} {{ {', '.join(values)} }}\n"
