"""pynet's two nftables tables: static rules, and sets and maps (``plugin.firewall.sets``) with everything that varies.

These functions return text that is applied as one transaction. The table of family inet decides who may reach whom and
translates addresses; the table of family bridge sees frames between the ports of one bridge.

  inet
    raw                 drops packets of containers to or from the host's 127.0.0.0/8 (route_localnet would let them in)
    shim                drops what others than the containers send to a link that leads to containers on the LAN: with
                        its MAC, machines of the LAN would pass rules of the host that name its uplink
    publish             translates address, protocol and port of the host to address and port of a container
    forward             runs before iptables' own filter chain: a drop here is final, whatever others accept
      accepts traffic between containers of one network, first: with br_netfilter each of its frames comes here
      drops packets from a port of a bridge, which has no IP stack of its own
      sends VXLAN on its way to another member to "vxlan_check"
      drops everything from or to a WireGuard link: only the host itself uses it
      sends packets by a link to hosts that are reached without a tunnel to "direct_out" and "direct_in"
      drops traffic from or to an internal network, before conntrack, whose errors carry data
      accepts replies
      sends errors about other flows to "icmp_errors", and traffic into a network to "to_containers"
      drops traffic out to one of Docker's bridges, unless Docker published the port
      sends traffic neither from nor to a network to "other_forwarding"
    other_forwarding    where pynet turned forwarding on: drops traffic unless it is Docker's
    input               drops packets from a port of a bridge, too
                        drops all by a WireGuard link but VXLAN of encrypted networks, and ICMPv6
                        sends traffic from an internal network to "internal_input"
                        drops traffic from elsewhere to the gateway of an internal network
    resolver            leads questions to pynet's resolver, never for a sender that is not behind the link
                        the fixed address comes before published ports, the gateway address after them
    to_resolver         accepts what chain "resolver" led there, and the host itself
    clear_output        drops VXLAN of encrypted networks that would leave by any other link, as while that is missing
    internal_input      accepts replies, neighbour discovery, and new flows to an address of the network's bridge
                        drops greetings to all, which every container sends now and then, without counting them
    icmp_errors         drops errors of a container that is no router, about a flow without an address of its network
                        drops errors of Docker's containers into a network, about a port that was not published
    vxlan_check         drops VXLAN of a network of this host, to the host or through it to another member, that comes
                        from a container, from no member, or by a guests' link that does not lead to the member, and
                        VXLAN of an encrypted network by any other link than WireGuard's
    direct_out          within a network that is routed between hosts: sends packets of its containers to "direct_flow"
                        drops packets of all others to its containers on other hosts
    direct_in           sends packets of its containers on other hosts to its own to "direct_flow", if the route to the
                        source leads back by the same link, and drops them if not; not those to a published port
    direct_flow         accepts what policies allow
    to_containers       accepts published ports and what the gateway mode opens, drops the rest
    postrouting         masquerades traffic to a published port from its own network, or from the host's 127.0.0.0/8
                        gives traffic out of a network the user's source address, or masquerades it
    drop_REASON         see ``plugin.firewall.reasons``
  bridge                see ``plugin.firewall.bridge_rules``
"""

from collections.abc import Iterable

from netlink.nft_elements import NamedSet
from plugin.firewall.bridge_rules import BRIDGE_RULES
from plugin.firewall.policy_rules import INET_POLICY, RULED_GROUP
from plugin.firewall.reasons import drop_rules, without_log
from plugin.firewall.sets import SEAL, SETS
from plugin.model.elements import Elements
from plugin.model.link_owner import Owner
from plugin.model.resolver_place import PORT, RESOLVER

_INET = """\
  chain resolver {
    meta l4proto != { tcp, udp } return
    th dport != 53 return
    fib saddr . iif oif missing return
    iifname @docker_bridges ip daddr RESOLVER4 goto resolver4
    iifname . ip daddr @resolved4 goto resolver4
    iifname . ip6 daddr @resolved6 goto resolver6
    fib daddr type local return
    iifname . ip daddr @subnets4 return
    iifname . ip6 daddr @subnets6 return
    meta nfproto ipv4 iifname . meta nfproto @hijacked goto resolver4
    meta nfproto ipv6 iifname . meta nfproto @hijacked goto resolver6
  }
  chain resolver4 {
    meta l4proto { tcp, udp } dnat ip to RESOLVER4:RESOLVER_PORT
  }
  chain resolver6 {
    meta l4proto { tcp, udp } dnat ip6 to [RESOLVER6]:RESOLVER_PORT
  }
  chain host_resolver {
    ip daddr RESOLVER4 meta l4proto { tcp, udp } th dport 53 goto resolver4
    ip6 daddr RESOLVER6 meta l4proto { tcp, udp } th dport 53 goto resolver6
    return
  }
  chain to_resolver {
    iifname "lo" accept
    ct status & dnat == dnat accept
    goto drop_resolver
  }
  chain no_resolver {
    ip daddr RESOLVER4 reject
    ip6 daddr RESOLVER6 reject
  }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    ip daddr 127.0.0.0/8 iifname @bridges goto drop_loopback
    ip saddr 127.0.0.0/8 iifname @bridges goto drop_loopback
    iifname @shims jump shim
  }
  chain shim {
    icmpv6 type nd-neighbor-solicit ip6 saddr fe80::/10 return
    fib saddr . iif oif missing drop
  }
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @published_ports4
    meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @published_ports_any4
    ip6 saddr fe80::/10 return
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @published_ports6
    meta nfproto ipv6 fib daddr type local dnat ip6 to meta l4proto . th dport map @published_ports_any6
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 127.0.0.0/8 return
    ip daddr RESOLVER4 goto resolver
    ip6 daddr RESOLVER6 goto resolver
    jump publish
    meta iifkind "bridge" th dport 53 goto resolver
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    ip daddr RESOLVER4 goto host_resolver
    ip6 daddr RESOLVER6 goto host_resolver
    jump publish
  }
  chain forward {
    type filter hook forward priority filter - 1; policy accept;
    iifname . oifname @same_network accept
    iifname "pnh*" goto drop_bridge_port
    iifname "pnv*" goto drop_bridge_port
    meta l4proto udp jump vxlan_forward
    iifname @wireguard_links goto drop_wireguard
    oifname @wireguard_links goto drop_wireguard
    oifname @direct_links jump direct_out
    iifname @direct_links jump direct_in
    iifname @internal_bridges goto drop_internal_out
    oifname @internal_bridges goto drop_internal_in
    ct state established goto established_flows
    ct state related goto icmp_errors
    jump no_resolver
    meta iifkind "bridge" jump policy_out
    oifname @bridges goto to_containers
    iifname @bridges oifname @docker_bridges ct status & dnat != dnat goto drop_docker_network
    iifname @bridges accept
    goto other_forwarding
  }
  chain established_flows {
    iifname @bridges accept
    oifname @bridges accept
    goto other_forwarding
  }
  chain other_forwarding {
    meta nfproto != @pynet_forwarding accept
    iifname "pn-*" accept
    oifname "pn-*" accept
    iifname . oifname @other_bridges accept
    iifname . oifname @lan_bridges accept
    iifname @docker_bridges accept
    oifname @docker_bridges ct state established,related accept
    oifname @docker_bridges ct status & dnat == dnat accept
    goto drop_forwarding
  }
  chain input {
    type filter hook input priority filter - 1; policy accept;
    iifname "pnh*" goto drop_bridge_port
    iifname "pnv*" goto drop_bridge_port
    iifname @wireguard_links jump from_wireguard
    udp dport . @th,96,24 @vxlan_networks jump vxlan_check
    ct state related iifname @bridges goto icmp_errors
    ip daddr RESOLVER4 goto to_resolver
    ip6 daddr RESOLVER6 goto to_resolver
    meta iifkind "bridge" ct state & (established | related) == 0 jump policy_out
    iifname != "lo" ct state & (established | related) == 0 \
      ip6 daddr . meta l4proto . th dport @ruled_relays jump relay_clients
    iifname @internal_bridges goto internal_input
    ip daddr @internal_gateways4 iifname != "lo" goto drop_internal_gateway
    ip6 daddr @internal_gateways6 iifname != "lo" goto drop_internal_gateway
  }
  chain from_wireguard {
    udp dport . @th,96,24 @encrypted_networks return
    meta l4proto 58 return
    goto drop_wireguard
  }
  chain clear_output {
    type filter hook output priority filter - 1; policy accept;
    udp dport . @th,96,24 @encrypted_networks oifname != @wireguard_links goto drop_vxlan_clear
  }
  chain internal_input {
    ct state established accept
    meta l4proto . th dport @relayed_ports goto drop_internal_host
    iifname @adopted_bridges accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    fib daddr type { multicast, broadcast } drop
    ip6 saddr fe80::/10 goto drop_internal_host
    ct state new fib daddr . iif type local accept
    goto drop_internal_host
  }
  chain icmp_errors {
    iifname @bridges goto container_errors
    iifname @docker_bridges oifname @bridges ct status & dnat != dnat goto drop_icmp_error
    oifname @bridges accept
    goto other_forwarding
  }
  chain container_errors {
    ip saddr @routers4 accept
    ip6 saddr @routers6 accept
    iifname . ct original ip saddr @subnets4 accept
    iifname . ct reply ip saddr @subnets4 accept
    iifname . ct original ip6 saddr @subnets6 accept
    iifname . ct reply ip6 saddr @subnets6 accept
    goto drop_icmp_error
  }
  chain vxlan_forward {
    ip daddr . udp dport . @th,96,24 @vxlan_members4 goto vxlan_check
    ip6 daddr . udp dport . @th,96,24 @vxlan_members6 goto vxlan_check
  }
  chain vxlan_check {
    udp dport . @th,96,24 @encrypted_networks iifname != @wireguard_links goto drop_vxlan_clear
    iifname @bridges goto drop_vxlan_container
    iifname @docker_bridges goto drop_vxlan_container
    meta iifkind { "bridge", "veth", "tun", "macvlan", "ipvlan" } fib saddr . iif oif missing goto drop_vxlan_stranger
    ip saddr . udp dport . @th,96,24 @vxlan_members4 return
    ip6 saddr . udp dport . @th,96,24 @vxlan_members6 return
    goto drop_vxlan_stranger
  }
  chain direct_out {
    iifname . ip daddr @direct4 goto direct_flow
    iifname . ip6 daddr @direct6 goto direct_flow
    meta nfproto . ip daddr @direct_subnets4 goto drop_isolation
    meta nfproto . ip6 daddr @direct_subnets6 goto drop_isolation
  }
  chain direct_in {
    ct status & dnat == dnat return
    oifname . ip saddr @direct4 goto direct_source
    oifname . ip6 saddr @direct6 goto direct_source
  }
  chain direct_source {
    fib saddr . iif oif missing goto drop_direct_source
    goto direct_flow
  }
  chain direct_flow {
    ct state established accept
    ct state related goto icmp_errors
    iifname . ip saddr @egress4 jump direct_egress4
    iifname . ip6 saddr @egress6 jump direct_egress6
    ip daddr @from4 jump direct_from4
    ip6 daddr @from6 jump direct_from6
    meta priority set none accept
  }
  chain to_containers {
    ct status & dnat == dnat goto published
    ip daddr @from4 jump from4
    ip6 daddr @from6 jump from6
    oifname . meta nfproto @unprotected accept
    oifname . meta nfproto . meta l4proto @routed_icmp accept
    ip daddr . meta l4proto . th dport @routed_ports4 accept
    ip6 daddr . meta l4proto . th dport @routed_ports6 accept
    iifname . oifname @trusted_interfaces ip daddr . meta l4proto . th dport @trusted_ports4 accept
    iifname . oifname @trusted_interfaces ip6 daddr . meta l4proto . th dport @trusted_ports6 accept
    goto drop_isolation
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ct status & dnat == dnat oifname . ip saddr @subnets4 goto hairpin
    ct status & dnat == dnat oifname . ip6 saddr @subnets6 goto hairpin
    oifname @bridges goto into_networks
    iifname . ip daddr @direct4 return
    iifname . ip6 daddr @direct6 return
    snat ip to iifname map @sources4
    snat ip6 to iifname map @sources6
    iifname . meta nfproto @masqueraded masquerade
  }
  chain hairpin {
    jump detours
    masquerade
  }
  chain into_networks {
    ip saddr 127.0.0.0/8 masquerade
    iifname . oifname @same_network goto detours
  }
"""
_PLACED = (
    _INET.replace("RESOLVER4", str(RESOLVER[4]))
    .replace("RESOLVER6", str(RESOLVER[6]))
    .replace("RESOLVER_PORT", str(PORT))
)
INET_RULES = drop_rules("inet") + INET_POLICY + _PLACED
RULES = {"inet": INET_RULES, "bridge": BRIDGE_RULES}  # by family


def tables_text(table: str, contents: Iterable[Elements], *, logged: bool = True) -> str:
    """Return the transaction that replaces both tables whole by the static rules and ``contents``.

    Without ``logged`` the rules that log packets are left out.
    """
    lines, ruled = [remove_text(table)], Owner(table).ruled_group
    for family, rules in RULES.items():
        kept = rules if logged else without_log(rules)
        declared = "".join(f"  {of.declaration}\n" for of in (*SETS, SEAL) if of.family == family)
        lines.append(f"table {family} {table} {{\n{declared}{kept.replace(RULED_GROUP, str(ruled))}}}\n")
    return "".join([*lines, *(_add_text(table, elements) for elements in contents)])


def remove_text(table: str) -> str:
    """Return the transaction that removes both tables, there or not."""
    return "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in RULES)


def _add_text(table: str, elements: Elements) -> str:
    by_set: dict[NamedSet, list[str]] = {}
    for element in elements:
        by_set.setdefault(element.of, []).append(element.text)
    return "".join(
        f"add element {of.family} {table} {of.name} {{ {', '.join(words)} }}\n" for of, words in by_set.items()
    )
