"""Names in pynet's tables are no words of nft's language, to which every version adds some."""

import re

from plugin.firewall.ruleset import tables_text

# Of protocols and statements, from the scanners of nft 0.9.8 to 1.1.3; in 1.1.3 a chain "vxlan" is a syntax error.
WORDS = re.compile(
    "accept|ah|arp|chain|comp|ct|dccp|dnat|drop|dup|esp|ether|exthdr|fib|flow|frag|fwd|geneve|goto|gre|gretap|hash|hbh|icmp|"
    "icmpv6|igmp|ip|ip6|jump|last|limit|log|map|mark|masquerade|meta|meter|mh|notrack|osf|quota|redirect|reject|return|rt|"
    "reserved|sctp|secmark|set|snat|socket|synproxy|tcp|th|tproxy|tunnel|udp|udplite|vlan|vxlan|xt"
)


def test_no_chain_or_set_is_called_by_a_word_of_nft() -> None:
    """No chain or set has a name that is a word of nft, as a later nft would refuse the whole table."""
    names = re.findall(r"^\s*(?:chain|set|map) (\S+)", tables_text("pynet", []), re.MULTILINE)
    assert len(names) > 30
    assert not [name for name in names if WORDS.fullmatch(name)]
