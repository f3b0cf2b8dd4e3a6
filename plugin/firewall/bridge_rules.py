"""The table of family bridge: frames between the ports of one bridge, and between hosts.

  prerouting     to the group addresses of bridges (IEEE 802.1D), from a port of pynet's: drop (``netlink.bridge_port``)
                 TCP and UDP from an own address, which the guard would accept after more look-ups: accept
  closed         without icc, to another MAC than the bridge's: drop, before br_netfilter translates and changes it
  forward        without icc, broadcast between two ports: drop
  guard          from a port of a container: a white list, all else is counted by port and reason, and dropped
  tunnel         from other hosts: the same, where the MAC or an address of the gateway or of a container of this host
                 is nobody else's
  input          from other hosts to the host itself, whose gateway every host has under the same address: drop
  output         from the host itself to all on other hosts: drop, nobody there shall hear of this gateway

The white list: EtherTypes IPv4, ARP and IPv6 without a VLAN tag (``ether type`` is that of the frame, ``meta protocol``
that of what a tag wraps); each from the MAC and an address that the port may use. A packet whose headers nft cannot
follow has no ``meta l4proto``, so the rules that accept compare it: such a comparison with what is not there fails. So
does one with the rest of an ARP message or of a neighbour advertisement that is cut off. ICMPv6 passes by type.
Neighbour discovery passes whole only (RFC 6980): a first fragment of it is dropped, and later fragments alone come to
nothing. Servers of DHCP are known by the port that they send to, whatever they send from.

From an address that its container has on another network (``plugin.network.ways``) a port sends packets, and asks for
the MAC of its gateway, as Linux does with the address that the packet has; it announces the address to nobody.
"""

from netlink.setelem import SetType

_V4, _V6 = ("ipv4_addr",), ("ipv6_addr",)
# nft 1.0.6 has no name for the target of a neighbour advertisement: the 16 bytes behind the ICMPv6 header's 8.
_TARGET = "@th,64,128"
BRIDGE_SETS = (
    SetType("bridge", "closed", ("ifname",)),
    SetType("bridge", "doors", ("ifname", "ether_addr")),
    SetType("bridge", "guarded", ("ifname",)),
    SetType("bridge", "macs", ("ifname", "ether_addr")),
    SetType("bridge", "pairs4", ("ifname", "ether_addr", *_V4)),
    SetType("bridge", "pairs6", ("ifname", "ether_addr", *_V6)),
    SetType("bridge", "targets", ("ifname", _TARGET)),
    SetType("bridge", "allowed4", ("ifname", "ether_addr", *_V4), interval=True),
    SetType("bridge", "allowed6", ("ifname", "ether_addr", *_V6), interval=True),
    SetType("bridge", "allowed_targets", ("ifname", _TARGET), interval=True),
    SetType("bridge", "ways4", ("ifname", "ether_addr", *_V4)),
    SetType("bridge", "ways6", ("ifname", "ether_addr", *_V6)),
    SetType("bridge", "tunnels", ("ifname",)),
    SetType("bridge", "ours", ("ifname", "ether_addr")),
    SetType("bridge", "ours4", ("ifname", *_V4)),
    SetType("bridge", "ours6", ("ifname", *_V6)),
    SetType("bridge", "advertised", ("ifname", _TARGET)),
)
REASONS = {
    "mac": "from a MAC that it was not given",
    "address": "from an address that it was not given",
    "protocol": "neither IPv4, ARP nor IPv6, or with a VLAN tag, or ICMPv6 of a type that containers do not need",
    "neighbour": "neighbour discovery for an address that it was not given, or in fragments",
    "router": "what only a router sends: advertisements, redirects, multicast queries",
    "dhcp": "what only a DHCP server sends",
    "unreadable": "with headers that cannot be followed",
}
COUNTED = "dropped_"  # beginning of the names of the sets that count drops, by reason
REMEMBERED = "10m"  # how long a port is in such a set after its last drop

_COUNTS = "".join(
    f"  set {COUNTED}{reason} {{ type ifname; size 65535; flags dynamic,timeout; }}\n" for reason in REASONS
)
_DROPS = "".join(
    f"  chain shut_{reason} {{\n"
    f"    update @{COUNTED}{reason} {{ iifname timeout {REMEMBERED} counter }}\n"
    "    drop\n"
    "  }\n"
    for reason in REASONS
)
_FRAMES = """\
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    meta pkttype multicast ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname { "pnh*", "pnv*" } drop
    iifname @closed jump closed
    ether type ip meta l4proto tcp iifname . ether saddr . ip saddr @pairs4 accept
    ether type ip udp dport != 68 iifname . ether saddr . ip saddr @pairs4 accept
    ether type ip6 meta l4proto tcp iifname . ether saddr . ip6 saddr @pairs6 accept
    ether type ip6 udp dport != 546 iifname . ether saddr . ip6 saddr @pairs6 accept
    iifname @guarded goto guard
    iifname @tunnels goto tunnel
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
    iifname . ether saddr != @macs goto shut_mac
    ether type vmap { ip : goto guard4, arp : goto guard_arp, ip6 : goto guard6 }
    goto shut_protocol
  }
  chain guard4 {
    meta l4proto vmap { udp : jump dhcp4, igmp : jump queries4 }
    meta l4proto != 255 iifname . ether saddr . ip saddr @pairs4 accept
    meta l4proto != 255 iifname . ether saddr . ip saddr @allowed4 accept
    meta l4proto != 255 iifname . ether saddr . ip saddr @ways4 accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    meta l4proto != 255 goto shut_address
    goto shut_unreadable
  }
  chain guard_arp {
    jump arp_header
    arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @pairs4 accept
    arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @allowed4 accept
    iifname . arp saddr ether . arp saddr ip @pairs4 accept
    iifname . arp saddr ether . arp saddr ip @allowed4 accept
    arp operation request iifname . arp saddr ether . arp saddr ip @ways4 accept
    goto shut_address
  }
  chain guard6 {
    meta l4proto vmap { icmpv6 : goto icmp6, udp : jump dhcp6 }
    goto own6
  }
  chain own6 {
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @pairs6 accept
    iifname @tunnels goto theirs6
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @allowed6 accept
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @ways6 accept
    meta l4proto != 255 goto shut_address
    goto shut_unreadable
  }
  chain tunnel {
    iifname . ether saddr @ours goto shut_mac
    ether type vmap { ip : goto tunnel4, arp : goto tunnel_arp, ip6 : goto guard6 }
    goto shut_protocol
  }
  chain tunnel4 {
    meta l4proto vmap { udp : jump dhcp4, igmp : jump queries4 }
    iifname . ip saddr @ours4 goto shut_address
    ip saddr { 127.0.0.0/8, 224.0.0.0/4, 255.255.255.255 } goto shut_address
    meta l4proto != 255 accept
    goto shut_unreadable
  }
  chain tunnel_arp {
    jump arp_header
    iifname . arp saddr ip @ours4 goto shut_address
    arp saddr ip 0.0.0.0 iifname . arp daddr ip @ours4 goto shut_address
    iifname . arp saddr ether @ours goto shut_address
    arp daddr ip 0.0.0.0-255.255.255.255 accept
    goto shut_unreadable
  }
  chain theirs6 {
    iifname . ip6 saddr @ours6 goto shut_address
    ip6 saddr { ::1, ff00::/8 } goto shut_address
    meta l4proto != 255 accept
    goto shut_unreadable
  }
  chain dhcp4 {
    udp dport 68 goto shut_dhcp
  }
  chain dhcp6 {
    udp dport 546 goto shut_dhcp
  }
  chain queries4 {
    igmp type membership-query goto shut_router
  }
  chain arp_header {
    @nh,0,48 != 0x000108000604 goto shut_unreadable
  }
  chain icmp6 {
    exthdr frag exists goto parts6
    icmpv6 type vmap {
      destination-unreachable : goto own6, packet-too-big : goto own6, time-exceeded : goto own6,
      parameter-problem : goto own6, echo-request : goto own6, echo-reply : goto own6,
      mld-listener-report : goto asks6, mld2-listener-report : goto asks6, mld-listener-done : goto own6,
      nd-router-solicit : goto asks6, nd-neighbor-solicit : goto solicit6, nd-neighbor-advert : goto advert6,
      nd-router-advert : goto shut_router, nd-redirect : goto shut_router, mld-listener-query : goto shut_router,
      151 : goto shut_router, 153 : goto shut_router
    }
    icmpv6 type 0-255 goto shut_protocol
    goto shut_unreadable
  }
  chain parts6 {
    frag frag-off != 0 goto own6
    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } goto own6
    icmpv6 type { echo-request, echo-reply } goto own6
    goto shut_neighbour
  }
  chain asks6 {
    ip6 saddr :: accept
    goto own6
  }
  chain solicit6 {
    ip6 saddr != :: goto own6
    iifname . @th,64,128 @targets accept
    iifname . @th,64,128 @allowed_targets accept
    iifname @tunnels iifname . @th,64,128 != @advertised accept
    goto shut_neighbour
  }
  chain advert6 {
    iifname . @th,64,128 @targets goto own6
    iifname . @th,64,128 @allowed_targets goto own6
    iifname @tunnels iifname . @th,64,128 != @advertised goto own6
    goto shut_neighbour
  }
"""
BRIDGE_RULES = _COUNTS + _DROPS + _FRAMES
