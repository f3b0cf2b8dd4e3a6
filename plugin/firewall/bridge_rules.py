"""The rules of the table of family bridge: frames between the ports of one bridge, and between hosts.

  prerouting     drops frames to the group addresses of bridges (IEEE 802.1D) from a port (``netlink.bridge_port``)
                 accepts TCP and UDP from an own address, which the guard would accept after more look-ups; a look-up
                 costs more than all other expressions of a rule, so these frames have only this one
  isolated       without icc: drops frames to any MAC but the bridge's, before br_netfilter translates and changes them;
                 the addresses of these ports are in sets of their own, so that nothing is accepted before
  forward        without icc: drops broadcasts between two ports
                 drops frames to all on other hosts beyond FLOOD a second from one port
  guard          from a port of a container: accepts a white list; drops all else (``plugin.firewall.reasons``)
  from_tunnel    from other hosts: the same; the MACs and addresses of the gateway and of this host's containers are
                 not accepted from there
  input          drops frames from other hosts to the host itself: every host has the gateway under the same address
                 on a user's LAN, judges frames to the host and through it by the policy of their port, which is the
                 only place where the addresses that containers give themselves there make no difference
  output         drops broadcasts of the host itself to other hosts: nobody there may hear of this gateway
                 on a user's LAN, judges frames of the host and through it

The white list has the EtherTypes IPv4, ARP and IPv6 without a VLAN tag (``ether type`` is that of the frame, ``meta
protocol`` that of the packet in a tag), each from the MAC and an address that the port may use. A packet whose headers
nft cannot follow has no ``meta l4proto``, so the rules that accept compare it: a comparison with a missing field fails.
So does one with the missing rest of an ARP message or a neighbour advertisement that is cut off. ICMPv6 passes by type.
Neighbour discovery passes in whole packets only (RFC 6980): a first fragment is dropped, and later ones alone are
harmless. DHCP servers are recognised by the port that they send to, whatever port they send from.

On a user's LAN a router may give prefixes of which pynet does not know (SLAAC, RFC 4862). A port may send from any
address whose last 64 bits follow from its MAC, which is nobody else's, unless it has pynet.egress=deny.

Engine 28 announces the address of each new container three times, and writes 0.0.0.0 in the place of an address that a
plugin gave. These messages say nothing, and are dropped without being counted.

From an address that its container has on another network (``plugin.network.ways``) a port may send packets, and ask for
the MAC of its gateway, as Linux does with the source address of the packet; it may not announce the address.
"""

from plugin.firewall.policy_rules import BRIDGE_POLICY
from plugin.firewall.reasons import FLOOD, drop_rules

_RATE = f"limit rate over {FLOOD}/second burst {FLOOD} packets"
_FLOODS = f"""\
  set flooding_ports {{
    type ifname; size 65535; flags dynamic,timeout; comment "Ports that sent frames to all on other hosts";
  }}
  chain flood {{
    update @flooding_ports {{ iifname timeout 10s {_RATE} }} goto drop_flood
  }}
"""
_FRAMES = """\
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    meta pkttype multicast ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 \\
      iifname { "pnh*", "pnv*" } goto drop_group
    ether type ip meta l4proto tcp iifname . ether saddr . ip saddr @port_addresses4 accept
    ether type ip udp dport != 68 iifname . ether saddr . ip saddr @port_addresses4 accept
    ether type ip6 meta l4proto tcp iifname . ether saddr . ip6 saddr @port_addresses6 accept
    ether type ip6 udp dport != 546 iifname . ether saddr . ip6 saddr @port_addresses6 accept
    iifname @isolated_ports jump isolated
    meta iifgroup RULED_GROUP jump egress_port
    iifname @tunnel_ports goto from_tunnel
    iifname @guarded_ports goto guard
  }
  chain input {
    type filter hook input priority -200; policy accept;
    iifname @tunnel_ports goto from_other_host
    meta iifgroup RULED_GROUP iifname @lan_ports jump ruled
  }
  chain from_other_host {
    meta pkttype host goto drop_other_host
    drop
  }
  chain output {
    type filter hook output priority -200; policy accept;
    oifname @tunnel_ports ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop
    meta oifgroup RULED_GROUP oifname @lan_ports jump ruled
  }
  chain forward {
    type filter hook forward priority -200; policy accept;
    meta iifgroup RULED_GROUP jump ruled
    meta iifgroup != RULED_GROUP meta oifgroup RULED_GROUP jump ruled
    meta pkttype other accept
    iifname @isolated_ports oifname @isolated_ports ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop
    meta pkttype broadcast oifname @tunnel_ports goto flood
    meta pkttype multicast oifname @tunnel_ports goto flood
  }
  chain isolated {
    ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 return
    iifname . ether daddr != @gateway_macs goto drop_icc
    ether type ip meta l4proto tcp iifname . ether saddr . ip saddr @isolated_addresses4 accept
    ether type ip udp dport != 68 iifname . ether saddr . ip saddr @isolated_addresses4 accept
    ether type ip6 meta l4proto tcp iifname . ether saddr . ip6 saddr @isolated_addresses6 accept
    ether type ip6 udp dport != 546 iifname . ether saddr . ip6 saddr @isolated_addresses6 accept
  }
  chain guard {
    iifname . ether saddr != @port_macs goto drop_mac
    ether type vmap { ip : goto guard4, arp : goto guard_arp, ip6 : goto guard6 }
    goto drop_protocol
  }
  chain guard4 {
    meta l4proto vmap { udp : jump dhcp4, igmp : jump igmp4 }
    meta l4proto != 255 iifname . ether saddr . ip saddr @port_addresses4 accept
    meta l4proto != 255 iifname . ether saddr . ip saddr @isolated_addresses4 accept
    meta l4proto != 255 iifname . ether saddr . ip saddr @allowed_addresses4 accept
    meta l4proto != 255 iifname . ether saddr . ip saddr @multihomed_addresses4 accept
    meta l4proto != 255 iifname . ether saddr . ip saddr @egress_addresses4 accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    meta l4proto != 255 goto drop_address
    goto drop_unreadable
  }
  chain guard_arp {
    jump arp_header
    arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @port_addresses4 accept
    arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @isolated_addresses4 accept
    arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @allowed_addresses4 accept
    iifname . arp saddr ether . arp saddr ip @port_addresses4 accept
    iifname . arp saddr ether . arp saddr ip @isolated_addresses4 accept
    iifname . arp saddr ether . arp saddr ip @allowed_addresses4 accept
    arp operation request iifname . arp saddr ether . arp saddr ip @multihomed_addresses4 accept
    arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @egress_addresses4 accept
    iifname . arp saddr ether . arp saddr ip @egress_addresses4 accept
    arp saddr ip 0.0.0.0 arp daddr ip 0.0.0.0 drop
    goto drop_address
  }
  chain guard6 {
    meta l4proto vmap { icmpv6 : goto guard_icmp6, udp : jump dhcp6 }
    goto guard6_source
  }
  chain guard6_source {
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @port_addresses6 accept
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @isolated_addresses6 accept
    iifname @tunnel_ports goto from_tunnel6_source
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @allowed_addresses6 accept
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @multihomed_addresses6 accept
    meta l4proto != 255 iifname . ether saddr . ip6 saddr @egress_addresses6 accept
    meta l4proto != 255 iifname . @nh,128,64 @port_identifiers accept
    meta l4proto != 255 goto drop_address
    goto drop_unreadable
  }
  chain from_tunnel {
    iifname . ether saddr @local_macs goto drop_mac
    ether type ip goto from_tunnel4
    ether type ip6 meta l4proto tcp goto from_tunnel6_source
    ether type vmap { arp : goto from_tunnel_arp, ip6 : goto guard6 }
    goto drop_protocol
  }
  chain from_tunnel4 {
    meta l4proto udp jump dhcp4
    meta l4proto igmp jump igmp4
    iifname . ip saddr @local_addresses4 goto drop_address
    ip saddr 127.0.0.0/8 goto drop_address
    ip saddr 224.0.0.0/4 goto drop_address
    ip saddr 255.255.255.255 goto drop_address
    meta l4proto != 255 accept
    goto drop_unreadable
  }
  chain from_tunnel_arp {
    jump arp_header
    iifname . arp saddr ip @local_addresses4 goto drop_address
    arp saddr ip 0.0.0.0 iifname . arp daddr ip @local_addresses4 goto drop_address
    iifname . arp saddr ether @local_macs goto drop_address
    arp daddr ip 0.0.0.0-255.255.255.255 accept
    goto drop_unreadable
  }
  chain from_tunnel6_source {
    iifname . ip6 saddr @local_addresses6 goto drop_address
    ip6 saddr { ::1, ff00::/8 } goto drop_address
    meta l4proto != 255 accept
    goto drop_unreadable
  }
  chain dhcp4 {
    udp dport 68 goto drop_dhcp
  }
  chain dhcp6 {
    udp dport 546 goto drop_dhcp
  }
  chain igmp4 {
    igmp type membership-query goto drop_router
  }
  chain arp_header {
    @nh,0,48 != 0x000108000604 goto drop_unreadable
  }
  chain guard_icmp6 {
    exthdr frag exists goto icmp6_fragments
    icmpv6 type vmap {
      destination-unreachable : goto guard6_source, packet-too-big : goto guard6_source,
      time-exceeded : goto guard6_source, parameter-problem : goto guard6_source,
      echo-request : goto guard6_source, echo-reply : goto guard6_source, mld-listener-done : goto guard6_source,
      mld-listener-report : goto icmp6_unspecified, mld2-listener-report : goto icmp6_unspecified,
      nd-router-solicit : goto icmp6_unspecified,
      nd-neighbor-solicit : goto neighbour_solicit, nd-neighbor-advert : goto neighbour_advert,
      nd-router-advert : goto drop_router, nd-redirect : goto drop_router, mld-listener-query : goto drop_router,
      151 : goto drop_router, 153 : goto drop_router
    }
    icmpv6 type 0-255 goto drop_protocol
    goto drop_unreadable
  }
  chain icmp6_fragments {
    frag frag-off != 0 goto guard6_source
    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } goto guard6_source
    icmpv6 type { echo-request, echo-reply } goto guard6_source
    goto drop_neighbour
  }
  chain icmp6_unspecified {
    ip6 saddr :: accept
    goto guard6_source
  }
  chain neighbour_solicit {
    ip6 saddr != :: goto guard6_source
    iifname . @th,64,128 @port_targets accept
    iifname . @th,64,128 @allowed_targets accept
    iifname . @th,128,64 @target_identifiers accept
    iifname @tunnel_ports iifname . @th,64,128 != @local_targets accept
    goto drop_neighbour
  }
  chain neighbour_advert {
    iifname . @th,64,128 @port_targets goto guard6_source
    iifname . @th,64,128 @allowed_targets goto guard6_source
    iifname . @th,128,64 @target_identifiers goto guard6_source
    iifname @tunnel_ports iifname . @th,64,128 != @local_targets goto guard6_source
    goto drop_neighbour
  }
"""
BRIDGE_RULES = drop_rules("bridge") + _FLOODS + BRIDGE_POLICY + _FRAMES
