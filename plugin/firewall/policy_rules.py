"""The rules of policies: who may open connections to whom (``plugin.model.policy``).

Every entry of a policy is an element of a set, so any number of entries costs the same. Ports of containers with a
policy are in a link group of their own, so frames of other containers within a network meet no further look-up.

Between ports of a bridge few kernels track connections, and nft rejects nothing:
  ruled             passes ARP, judges IPv4 and IPv6, drops the rest
  ruled4, ruled6    pass TCP without SYN, later fragments, errors and answers of ICMP, neighbour discovery, membership
                    of groups and DHCP; of everything else, both ends must allow it
                    "flows4" and "flows6" have the ends of other packets that passed, so that answers to them pass
  open4, open6      judge TCP without SYN of ports whose policy has changed, which ends open connections that it forbids
                    A packet does not show which end opened its connection. It is the one whose port is in the range
                    from which Linux takes the ports of clients; if both or none are, either end may have opened it.
                    "flows4" has the new connections to a port in that range.
  answer4, answer6  pass packets of connections that the receiver may have opened to the sender
  out4, in4, ...    look up the peer's address and, in a map for each group that a container can be in, its port; the
                    priority of the packet carries the number of the group to the next look-up
  far_out4, ...     look up the address of a container of another host in the place of its port
Packets that are routed or for the host are judged when they begin a flow:
  policy_out        from containers, to anywhere
  egress4, egress6  pass DHCP, neighbour discovery, membership, and destinations that are allowed; refuse the rest
                    to a published port, its address on the host and that of the container both count, with the port of
                    the container
  from4, from6      to containers
  direct_egress4, direct_from4, ...  within a network, to and from containers of other hosts without a tunnel: groups
                    count too
  published         to published ports; "relay_clients" to ports that pynet relays
  detours           that leave by the bridge on which they came; they are seen where they leave the host, and dropped,
                    as nft rejects nothing there
"""

from plugin.options.policy import MOST_GROUPS

RULED_GROUP = "RULED_GROUP"  # in the place of the link group of ports with a policy (``plugin.model.link_owner``)

_KEPT = "3m"  # how long answers to the last packet of a flow pass within a network
_FLOWS = 65536  # of each family
# Types of ICMPv6 that have no effect beyond the link: router solicitations, neighbour discovery, reports of listeners.
_NEIGHBOURS = "131, 132, 133, 135, 136, 143"
_ICMP_ANSWERS = {4: "0, 3, 11, 12", 6: "129, 1, 2, 3, 4"}  # echo replies and errors
_GROUPS = range(1, MOST_GROUPS + 1)
_SERVICE, _ANSWERED = "meta l4proto . th dport", "meta l4proto . th sport"
_CLIENTS = "32768-60999"  # net.ipv4.ip_local_port_range, as Linux has it from the start (net/ipv4/af_inet.c)


def _allowed(name: str, own: str, peer: str, before: str = "", service: str = _SERVICE, verdict: str = "return") -> str:
    """Return the rules that return, or give another verdict, for what is in a set, or in that of long lists."""
    few, many = f"{own} . {peer} . {service} @{name}{{v}}", f"{peer} . {own} . {service} @{name}_many{{v}}"
    return f"    {before}{few} {verdict}\n    {before}{many} {verdict}\n"


def _by_group(
    own: str, peer: str, of: str, service: str = _SERVICE, verdict: str = "goto passed", groups: str = "far"
) -> str:
    """Return the rules that give a verdict where a group of the port ``peer`` is among those of the port ``own``.

    If ``peer`` also names an address, it is that of a container of another host, with its groups in maps of ``groups``.
    """
    maps = f"{groups}_groups{{n}}_{{{{v}}}}" if " . " in peer else "groups{n}"
    return "".join(
        f"    meta priority set {peer} map @{maps.format(n=n)} {own} . meta priority . {service} @{of} {verdict}\n"
        for n in _GROUPS
    )


_OUT = _allowed("allow_out", "{ip} saddr", "{ip} daddr")
_TRANSLATED = _allowed("allow_out", "{ip} saddr", "ct original {ip} daddr", "ct status & dnat == dnat ")
_FROM = _allowed("allow_from", "{ip} daddr", "{ip} saddr")
_PUBLISH = _allowed("allow_publish", "{ip} daddr", "{ip} saddr")
_DIRECT_OUT = _by_group("{ip} saddr", "iifname . {ip} daddr", "direct_out{v}", verdict="return", groups="direct")
_DIRECT_FROM = _by_group("{ip} daddr", "oifname . {ip} saddr", "direct_from{v}", verdict="return", groups="direct")
_INET_BY_VERSION = f"""\
  chain egress{{v}} {{{{
{_OUT}{_TRANSLATED}    {{ip}} saddr . {{ip}} daddr . {_SERVICE} @allow_names{{v}} return
    {{membership}} return
    udp sport {{client}} udp dport {{server}} return
    goto refuse_egress
  }}}}
  chain from{{v}} {{{{
{_FROM}    goto refuse_from
  }}}}
  chain published{{v}} {{{{
{_PUBLISH}    goto refuse_publish_from
  }}}}
  chain direct_egress{{v}} {{{{
{_DIRECT_OUT}    goto egress{{v}}
  }}}}
  chain direct_from{{v}} {{{{
{_DIRECT_FROM}    goto from{{v}}
  }}}}
  chain detoured_egress{{v}} {{{{
{_OUT}{_TRANSLATED}    goto drop_egress
  }}}}
  chain detoured_from{{v}} {{{{
{_FROM}    goto drop_from
  }}}}
  chain detoured_published{{v}} {{{{
{_PUBLISH}    goto drop_publish_from
  }}}}
"""
_INET = """\
  chain policy_out {
    iifname . ip saddr @egress4 goto egress4
    iifname . ip6 saddr @egress6 goto egress6
  }
  chain published {
    ip daddr @publish_from4 jump published4
    ip6 daddr @publish_from6 jump published6
    accept
  }
  chain relay_clients {
    ip6 daddr . ip6 saddr . meta l4proto . th dport @allow_relays return
    goto refuse_publish_from
  }
  chain detours {
    iifname . ip saddr @egress4 jump detoured_egress4
    iifname . ip6 saddr @egress6 jump detoured_egress6
    ct status & dnat == dnat goto detoured_published
    ip daddr @from4 goto detoured_from4
    ip6 daddr @from6 goto detoured_from6
  }
  chain detoured_published {
    ip daddr @publish_from4 goto detoured_published4
    ip6 daddr @publish_from6 goto detoured_published6
  }
"""
_NAMED = "    {side} . {{ip}} {peer} . {service} @port_names{{v}} {verdict}\n"
_PORT_OUT = _allowed("port_out", "iifname", "{ip} daddr") + _NAMED.format(
    side="iifname", peer="daddr", service=_SERVICE, verdict="return"
)
_PORT_FROM = _allowed("port_from", "oifname", "{ip} saddr")
_ANSWER_OUT = (
    _allowed("port_out", "oifname", "{ip} saddr", service=_ANSWERED, verdict="goto answer_in{v}")
    + _NAMED.format(side="oifname", peer="saddr", service=_ANSWERED, verdict="goto answer_in{v}")
    + _by_group("oifname", "iifname", "out_groups", _ANSWERED, "goto answer_in{v}")
)
_FAR_OUT = _by_group("iifname", "oifname . {ip} daddr", "out_groups")
_FAR_IN = _by_group("oifname", "iifname . {ip} saddr", "from_groups")
_FAR_ANSWER_OUT = _by_group("oifname", "iifname . {ip} saddr", "out_groups", _ANSWERED, "goto answer_in{v}")
_FAR_ANSWER_IN = _by_group("iifname", "oifname . {ip} daddr", "from_groups", _ANSWERED)
_ANSWER_IN = _allowed("port_from", "iifname", "{ip} daddr", service=_ANSWERED, verdict="goto passed") + _by_group(
    "iifname", "oifname", "from_groups", _ANSWERED
)
_RULED_BY_VERSION = """\
  set flows{v} {{
    type {address} . {address} . inet_proto . inet_service . inet_service; size {flows};
    flags dynamic,timeout; timeout {kept}; comment "Answers that pass: source, target, protocol, ports";
  }}
  chain ruled{v} {{
    tcp flags & (syn | ack) != syn iifname != @changed_ports oifname != @changed_ports return
    tcp flags & (syn | ack) != syn goto open{v}
    {fragment} != 0 return
    {answers} return
    {membership} return
    udp sport {client} udp dport {server} return
    udp sport {server} udp dport {client} return
    meta l4proto != tcp {ip} saddr . {ip} daddr . meta l4proto . th sport . th dport @flows{v} return
    goto begin{v}
  }}
  chain begin{v} {{
    iifname @egress_ports jump out{v}
    oifname @from_ports jump in{v}
    meta l4proto {icmp} return
    tcp dport != {clients} return
    tcp sport {clients} return
    update @flows{v} {{ {ip} daddr . {ip} saddr . meta l4proto . th dport . th sport }}
  }}
  chain open{v} {{
    {ip} saddr . {ip} daddr . meta l4proto . th sport . th dport @flows{v} return
    {ip} daddr . {ip} saddr . meta l4proto . th dport . th sport @flows{v} goto known{v}
    tcp sport {clients} tcp dport != {clients} goto begin{v}
    goto answer{v}
  }}
  chain known{v} {{
    update @flows{v} {{ {ip} daddr . {ip} saddr . meta l4proto . th dport . th sport }}
  }}
"""
_BRIDGE_BY_VERSION = f"""\
  chain out{{v}} {{{{
{_PORT_OUT}    oifname @tunnel_ports goto far_out{{v}}
    goto out
  }}}}
  chain in{{v}} {{{{
{_PORT_FROM}    iifname @tunnel_ports goto far_in{{v}}
    goto in
  }}}}
  chain answer{{v}} {{{{
    oifname != @egress_ports goto answer_in{{v}}
{_ANSWER_OUT}    iifname @tunnel_ports goto far_answer{{v}}
    goto unanswered{{v}}
  }}}}
  chain answer_in{{v}} {{{{
    iifname != @from_ports goto passed
{_ANSWER_IN}    oifname @tunnel_ports goto far_answer_in{{v}}
    goto unanswered{{v}}
  }}}}
  chain far_out{{v}} {{{{
{_FAR_OUT}    goto drop_egress_neighbour
  }}}}
  chain far_in{{v}} {{{{
{_FAR_IN}    goto drop_from_neighbour
  }}}}
  chain far_answer{{v}} {{{{
{_FAR_ANSWER_OUT}    goto unanswered{{v}}
  }}}}
  chain far_answer_in{{v}} {{{{
{_FAR_ANSWER_IN}    goto unanswered{{v}}
  }}}}
  chain unanswered{{v}} {{{{
    tcp sport != {{clients}} tcp dport {{clients}} goto drop_ended
    meta priority set none
    goto begin{{v}}
  }}}}
"""
_BY_OUT = _by_group("iifname", "oifname", "out_groups")
_BY_IN = _by_group("oifname", "iifname", "from_groups")
_BRIDGE = f"""\
  chain ruled {{
    meta protocol vmap {{ arp : return, ip : goto ruled4, ip6 : goto ruled6 }}
    goto drop_ethertype
  }}
  chain out {{
{_BY_OUT}    goto drop_egress_neighbour
  }}
  chain in {{
{_BY_IN}    goto drop_from_neighbour
  }}
  chain passed {{
    meta priority set none
  }}
  chain egress_port {{
    iifname != @egress_ports return
    ether type ip meta l4proto tcp iifname . ether saddr . ip saddr @egress_addresses4 accept
    ether type ip udp dport != 68 iifname . ether saddr . ip saddr @egress_addresses4 accept
    ether type ip6 meta l4proto tcp iifname . ether saddr . ip6 saddr @egress_addresses6 accept
    ether type ip6 udp dport != 546 iifname . ether saddr . ip6 saddr @egress_addresses6 accept
    ether type ip iifname . ether saddr . ip saddr @multihomed_addresses4 goto drop_address
    ether type ip6 iifname . ether saddr . ip6 saddr @multihomed_addresses6 goto drop_address
  }}
"""


def _icmp(protocol: str, types: str) -> str:
    """Return a comparison of the type of ICMP, as raw payload: nft would ask for the EtherType of the frame before.

    That is the tag's where a bridge hands a frame out with a VLAN tag.
    """
    return f"meta l4proto {protocol} @th,0,8 {{ {types} }}"


_OF = {
    4: {
        "v": 4,
        "ip": "ip",
        "address": "ipv4_addr",
        "icmp": "icmp",
        "fragment": "ip frag-off & 0x1fff",
        "answers": _icmp("icmp", _ICMP_ANSWERS[4]),
        "membership": "meta l4proto igmp",
        "client": 68,
        "server": 67,
    },
    6: {
        "v": 6,
        "ip": "ip6",
        "address": "ipv6_addr",
        "icmp": "icmpv6",
        "fragment": "frag frag-off",
        "answers": _icmp("icmpv6", _ICMP_ANSWERS[6]),
        "membership": _icmp("icmpv6", _NEIGHBOURS),
        "client": 546,
        "server": 547,
    },
}


def _by_version(template: str) -> str:
    return "".join(template.format(**words, flows=_FLOWS, kept=_KEPT, clients=_CLIENTS) for words in _OF.values())


INET_POLICY = _by_version(_INET_BY_VERSION) + _INET
BRIDGE_POLICY = _by_version(_RULED_BY_VERSION + _BRIDGE_BY_VERSION) + _BRIDGE
