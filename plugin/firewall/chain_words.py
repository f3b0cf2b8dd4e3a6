"""The chains of pynet's tables in words, for people who see one in a trace."""

from collections.abc import Mapping

from plugin.firewall.reasons import BY_NAME

_DROP, _REFUSE = "drop_", "refuse_"
_GUARD = ("guard", "from_tunnel", "neighbour_", "dhcp", "icmp6_", "arp_", "igmp")
WORDS: Mapping[tuple[str, str], str] = {
    ("inet", "raw"): "loopback addresses of containers",
    ("inet", "shim"): "who uses the host's way to containers on its LAN",
    ("inet", "prerouting"): "published ports",
    ("inet", "output"): "published ports",
    ("inet", "publish"): "published ports",
    ("inet", "forward"): "who reaches whom",
    ("inet", "established_flows"): "replies",
    ("inet", "other_forwarding"): "traffic of others",
    ("inet", "input"): "who reaches the host",
    ("inet", "internal_input"): "who of an internal network reaches the host",
    ("inet", "icmp_errors"): "ICMP errors",
    ("inet", "container_errors"): "ICMP errors of containers",
    ("inet", "vxlan_forward"): "VXLAN through the host",
    ("inet", "vxlan_check"): "VXLAN of members",
    ("inet", "direct_out"): "to containers of other hosts, without a tunnel",
    ("inet", "direct_in"): "from containers of other hosts, without a tunnel",
    ("inet", "direct_source"): "the way back to a container of another host",
    ("inet", "direct_flow"): "between containers of two hosts",
    ("inet", "from_wireguard"): "packets of other hosts by WireGuard",
    ("inet", "clear_output"): "VXLAN that has to be encrypted",
    ("inet", "to_containers"): "ports that are open",
    ("inet", "resolver"): "questions to pynet's resolver",
    ("inet", "host_resolver"): "questions of the host to pynet's resolver",
    ("inet", "to_resolver"): "who asks pynet's resolver",
    ("inet", "no_resolver"): "questions while pynet's resolver does not run",
    ("inet", "postrouting"): "the source address on the way out",
    ("bridge", "prerouting"): "the sender's own address",
    ("bridge", "isolated"): "neighbours without icc",
    ("bridge", "guard"): "the guard",
    ("bridge", "forward"): "from port to port",
    ("bridge", "flood"): "frames to all on other hosts",
    ("bridge", "from_other_host"): "from other hosts to the host",
    ("bridge", "input"): "from the bridge to the host",
    ("bridge", "output"): "from the host to the bridge",
    ("inet", "policy_out"): "policies of senders",
    ("inet", "egress"): "the sender's pynet.allow_out",
    ("inet", "from"): "the receiver's pynet.from",
    ("inet", "direct_egress"): "the sender's pynet.allow_out",
    ("inet", "direct_from"): "the receiver's pynet.from",
    ("inet", "published"): "clients of published ports",
    ("inet", "relay_clients"): "clients of relayed ports",
    ("inet", "detours"): "policies of packets that leave as they came",
    ("inet", "detoured_egress"): "the sender's pynet.allow_out",
    ("inet", "detoured_published"): "clients of published ports",
    ("inet", "detoured_from"): "the receiver's pynet.from",
    ("inet", "hairpin"): "a container and its own published port",
    ("inet", "into_networks"): "the source address on the way into a network",
    ("inet", "counted_drop"): "dropped packets are counted",
    ("inet", "counted_refusal"): "refused packets are counted",
    ("bridge", "counted_drop"): "dropped packets are counted",
    ("bridge", "ruled"): "policies within a network",
    ("bridge", "out"): "the sender's pynet.allow_out",
    ("bridge", "in"): "the receiver's pynet.from",
    ("bridge", "passed"): "policies within a network",
    ("bridge", "far_out"): "the sender's pynet.allow_out",
    ("bridge", "far_in"): "the receiver's pynet.from",
    ("bridge", "far_answer"): "answers under a policy that has changed",
    ("bridge", "far_answer_in"): "answers under a policy that has changed",
    ("bridge", "begin"): "policies within a network",
    ("bridge", "open"): "open connections under a policy that has changed",
    ("bridge", "known"): "open connections under a policy that has changed",
    ("bridge", "answer"): "answers under a policy that has changed",
    ("bridge", "answer_in"): "answers under a policy that has changed",
    ("bridge", "unanswered"): "answers under a policy that has changed",
    ("bridge", "egress_port"): "the sender's own address",
}


def chain_words(family: str, chain: str) -> str:
    """Return what a chain is about, "" if it has no words of its own."""
    if reason := reason_of(chain):
        return BY_NAME[reason].sentence
    if words := WORDS.get((family, chain)) or WORDS.get((family, chain.rstrip("46"))):
        return words
    if family == "bridge" and chain.startswith(_GUARD):
        return WORDS["bridge", "guard"]
    return ""


def reason_of(chain: str) -> str:
    """Return the reason for which a chain drops, "" if it does not."""
    name = chain.removeprefix(_DROP if chain.startswith(_DROP) else _REFUSE)
    return name if name != chain and name in BY_NAME else ""
