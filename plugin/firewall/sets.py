"""The sets and maps of pynet's two nftables tables, each with the sentence that ``nft list table inet pynet`` shows.

A "bridge" is the bridge of a network; a "port", in the table of family bridge, is the host's end of a container's link.
"""

from collections.abc import Mapping

from netlink.nft_elements import (
    ANY_PROTOCOL,
    ETHER,
    HANDLE,
    HANDLE_KEY,
    IFNAME,
    IP_VERSION,
    IPV4,
    IPV6,
    PORT,
    PROTOCOL,
    SOURCE_ID,
    TARGET,
    TARGET_ID,
    VNI,
    NamedSet,
    Part,
)
from plugin.options.policy import MOST_GROUPS

SETS: list[NamedSet] = []  # in the order in which the tables declare them


def _one(
    family: str,
    name: str,
    comment: str,
    *key: Part,
    value: tuple[Part, ...] = (),
    interval: bool = False,
    counted: bool = False,
) -> NamedSet:
    SETS.append(NamedSet(family, name, comment, key, value, interval, counted))
    return SETS[-1]


def _two(
    family: str,
    name: str,
    comment: str,
    *key: Part,
    value: tuple[Part, ...] = (),
    interval: bool = False,
    counted: bool = False,
) -> Mapping[int, NamedSet]:
    """Declare a set for IPv4, whose parts are given, and one for IPv6; return them by IP version."""
    key6, value6 = (tuple(IPV6 if part is IPV4 else part for part in parts) for parts in (key, value))
    return {
        4: _one(family, f"{name}4", comment, *key, value=value, interval=interval, counted=counted),
        6: _one(family, f"{name}6", comment, *key6, value=value6, interval=interval, counted=counted),
    }


def _lists(family: str, name: str, comment: str, own: Part) -> Mapping[int, tuple[NamedSet, NamedSet]]:
    """Declare sets of what containers are allowed, and of long lists of that; return both by IP version.

    The kernel looks at one part of a key after the other, and keeps each element that fits so far (nft_pipapo_lookup).
    So what tells most elements apart is first: the container, or for a long list of one container the peer.
    """
    few = _two(family, name, comment, own, IPV4, *_SERVICE, interval=True)
    many = _two(family, f"{name}_many", f"{comment}: long lists", IPV4, own, *_SERVICE, interval=True)
    return {version: (few[version], many[version]) for version in few}


def _groups(family: str, name: str, links: str) -> tuple[Mapping[int, NamedSet], ...]:
    """Declare sets of the groups of containers of other hosts, one for each group that a container may have."""
    comment = f"{links}, addresses of containers of other hosts, and the numbers of their groups"
    return tuple(
        _two(family, f"{name}{number}_", comment, IFNAME, IPV4, value=(HANDLE,)) for number in range(1, MOST_GROUPS + 1)
    )


_SERVICE = (ANY_PROTOCOL, PORT)
_I, _B = "inet", "bridge"
# Networks
BRIDGES = _one(_I, "bridges", "Bridges of all networks", IFNAME)
SAME_NETWORK = _one(_I, "same_network", "Bridges whose containers may reach each other", IFNAME, IFNAME)
INTERNAL = _one(_I, "internal_bridges", "Bridges of internal networks", IFNAME)
ADOPTED = _one(_I, "adopted_bridges", "Internal bridges that a user made: they may be the host's own LAN", IFNAME)
INTERNAL_GATEWAYS = _two(
    _I, "internal_gateways", "The host's addresses on internal networks: closed to everybody else", IPV4
)
SUBNETS = _two(_I, "subnets", "Bridges and the subnets of their networks", IFNAME, IPV4, interval=True)
ROUTERS = _two(_I, "routers", "Containers that may be routers: their ICMP errors may be about any flow", IPV4)
MASQUERADED = _one(_I, "masqueraded", "Bridges whose packets leave with the host's address", IFNAME, IP_VERSION)
SOURCES = _two(_I, "sources", "Bridges whose packets leave with an address that the user chose", IFNAME, value=(IPV4,))
UNPROTECTED = _one(_I, "unprotected", "Bridges that are open to all (nat-unprotected)", IFNAME, IP_VERSION)
ROUTED_ICMP = _one(_I, "routed_icmp", "Bridges that take ICMP from all (routed)", IFNAME, IP_VERSION, PROTOCOL)
TRUSTED = _one(_I, "trusted_interfaces", "Interfaces that a network trusts, and its bridge", IFNAME, IFNAME)
# Ports of containers
ROUTED_PORTS = _two(_I, "routed_ports", "Ports of containers, open to all (routed)", IPV4, PROTOCOL, PORT)
TRUSTED_PORTS = _two(_I, "trusted_ports", "Ports of containers, open to trusted interfaces", IPV4, PROTOCOL, PORT)
PUBLISHED = _two(
    _I,
    "published_ports",
    "Ports of one address of the host, to ports of containers",
    IPV4,
    PROTOCOL,
    PORT,
    value=(IPV4, PORT),
    counted=True,
)
PUBLISHED_ANY = _two(
    _I,
    "published_ports_any",
    "Ports of all addresses of the host, to ports of containers",
    PROTOCOL,
    PORT,
    value=(IPV4, PORT),
    counted=True,
)
# Names: questions to pynet's resolver
RESOLVED = _two(_I, "resolved", "Bridges, and addresses at which containers ask pynet's resolver", IFNAME, IPV4)
HIJACKED = _one(_I, "hijacked", "Bridges whose questions to other servers go to pynet's resolver", IFNAME, IP_VERSION)
RELAYED_PORTS = _one(_I, "relayed_ports", "Published ports that a thread of pynet carries", PROTOCOL, PORT)
# The host and its neighbours
DOCKER_BRIDGES = _one(_I, "docker_bridges", "Bridges of Docker's own drivers", IFNAME)
PYNET_FORWARDING = _one(_I, "pynet_forwarding", "IP versions that only pynet forwards: closed to others", IP_VERSION)
LANS = _one(
    _I, "lan_bridges", "Bridges of users that containers are on: frames between their ports pass", IFNAME, IFNAME
)
OTHER_BRIDGES = _one(_I, "other_bridges", "Bridges of others: frames between their ports pass", IFNAME, IFNAME)
SHIMS = _one(_I, "shims", "Links by which the host reaches containers on its LAN, and they the host", IFNAME)
VXLAN_NETWORKS = _one(_I, "vxlan_networks", "UDP ports and VNIs of networks that span hosts", PORT, VNI)
ENCRYPTED = _one(_I, "encrypted_networks", "Those whose VXLAN may not be seen by anybody else", PORT, VNI)
CARRIERS = _one(_I, "wireguard_links", "The only links by which that VXLAN comes and goes", IFNAME)
VXLAN_MEMBERS = _two(_I, "vxlan_members", "Hosts of networks that span hosts", IPV4, PORT, VNI)
DIRECT_LINKS = _one(_I, "direct_links", "Links to hosts whose containers are reached without a tunnel", IFNAME)
DIRECT = _two(_I, "direct", "Bridges and subnets of networks whose hosts route", IFNAME, IPV4, interval=True)
DIRECT_SUBNETS = _two(_I, "direct_subnets", "Their subnets: closed to others", IP_VERSION, IPV4, interval=True)
# Policies of containers, for routed packets and for the host
EGRESS = _two(
    _I, "egress", "Bridges and addresses of containers that open connections only to what is allowed", IFNAME, IPV4
)
ALLOW_OUT = _lists(_I, "allow_out", "Their addresses, and where they may connect to", IPV4)
ALLOW_NAMES = _two(
    _I, "allow_names", "The same for addresses of names in pynet.allow_out", IPV4, IPV4, *_SERVICE, interval=True
)
FROM = _two(_I, "from", "Addresses of containers that take connections only from who is allowed", IPV4)
ALLOW_FROM = _lists(_I, "allow_from", "Their addresses, and who may connect to them", IPV4)
PUBLISH_FROM = _two(_I, "publish_from", "Addresses of containers whose published ports are not for all", IPV4)
ALLOW_PUBLISH = _lists(_I, "allow_publish", "Their addresses, and who may use their published ports", IPV4)
RULED_RELAYS = _one(
    _I, "ruled_relays", "Relayed ports of the host that are not for all", IPV6, *_SERVICE, interval=True
)
ALLOW_RELAYS = _one(_I, "allow_relays", "These, and who may use them", IPV6, IPV6, *_SERVICE, interval=True)
# Groups in policies of containers, for packets that are routed between hosts
DIRECT_GROUPS = _groups(_I, "direct_groups", "Bridges")
DIRECT_OUT = _two(
    _I, "direct_out", "Containers, and groups that they may connect to", IPV4, HANDLE_KEY, *_SERVICE, interval=True
)
DIRECT_FROM = _two(
    _I, "direct_from", "Containers, and groups that may connect to them", IPV4, HANDLE_KEY, *_SERVICE, interval=True
)
# Frames
ISOLATED = _one(_B, "isolated_ports", "Ports of networks whose containers do not reach each other", IFNAME)
GATEWAY_MACS = _one(_B, "gateway_macs", "Isolated ports, and the only MAC that they reach", IFNAME, ETHER)
GUARDED = _one(_B, "guarded_ports", "Ports that may send only from what the sets below allow", IFNAME)
PORT_MACS = _one(_B, "port_macs", "Ports and the MACs that they may send from", IFNAME, ETHER)
PORT_ADDRESSES = _two(_B, "port_addresses", "Other ports and the addresses that they were given", IFNAME, ETHER, IPV4)
ISOLATED_ADDRESSES = _two(
    _B, "isolated_addresses", "Isolated ports and the addresses that they were given", IFNAME, ETHER, IPV4
)
PORT_TARGETS = _one(_B, "port_targets", "Ports and the addresses that they may advertise", IFNAME, TARGET)
PORT_IDS = _one(
    _B,
    "port_identifiers",
    "Ports on a user's LAN, and ends of IPv6 addresses that are their own",
    IFNAME,
    SOURCE_ID,
)
TARGET_IDS = _one(_B, "target_identifiers", "The same, for what they may advertise", IFNAME, TARGET_ID)
ALLOWED = _two(_B, "allowed_addresses", "Ports and pynet.guard_allow", IFNAME, ETHER, IPV4, interval=True)
ALLOWED_TARGETS = _one(
    _B, "allowed_targets", "Ports and what pynet.guard_allow lets them advertise", IFNAME, TARGET, interval=True
)
MULTIHOMED = _two(
    _B, "multihomed_addresses", "Ports and the addresses of their containers on other networks", IFNAME, ETHER, IPV4
)
TUNNELS = _one(_B, "tunnel_ports", "Ports that lead to other hosts", IFNAME)
LOCAL_MACS = _one(_B, "local_macs", "Tunnels and MACs of this host, which nobody else may send from", IFNAME, ETHER)
LOCAL_ADDRESSES = _two(
    _B, "local_addresses", "Tunnels and addresses of this host, which nobody else may send from", IFNAME, IPV4
)
LOCAL_TARGETS = _one(
    _B, "local_targets", "Tunnels and addresses of this host, which nobody else may advertise", IFNAME, TARGET
)
# Policies of containers, for frames of their network
EGRESS_PORTS = _one(_B, "egress_ports", "Ports that open connections only to what is allowed", IFNAME)
EGRESS_ADDRESSES = _two(
    _B, "egress_addresses", "These ports and the addresses that they were given", IFNAME, ETHER, IPV4
)
LAN_PORTS = _one(_B, "lan_ports", "Ports on a user's LAN with a policy, for which the host is a neighbour", IFNAME)
PORT_OUT = _lists(_B, "port_out", "These ports, and where they may connect to", IFNAME)
PORT_NAMES = _two(
    _B, "port_names", "Ports on a user's LAN, and names in pynet.allow_out", IFNAME, IPV4, *_SERVICE, interval=True
)
FROM_PORTS = _one(_B, "from_ports", "Ports that take connections only from who is allowed", IFNAME)
CHANGED_PORTS = _one(
    _B, "changed_ports", "Ports whose policy has changed: packets of open connections are judged too", IFNAME
)
PORT_FROM = _lists(_B, "port_from", "These ports, and who may connect to them", IFNAME)
GROUPS = tuple(
    _one(_B, f"groups{number}", "Ports, and the numbers of their groups", IFNAME, value=(HANDLE,))
    for number in range(1, MOST_GROUPS + 1)
)
FAR_GROUPS = _groups(_B, "far_groups", "Tunnels")
OUT_GROUPS = _one(
    _B, "out_groups", "Ports, and groups that they may connect to", IFNAME, HANDLE_KEY, *_SERVICE, interval=True
)
FROM_GROUPS = _one(
    _B, "from_groups", "Ports, and groups that may connect to them", IFNAME, HANDLE_KEY, *_SERVICE, interval=True
)
# Answers to packets without connections that passed; rules add and forget them (``plugin.firewall.policy_rules``)
FLOWS = {
    version: NamedSet(_B, f"flows{version}", "", (address, address, ANY_PROTOCOL, PORT, PORT))
    for version, address in ((4, IPV4), (6, IPV6))
}
# The tables themselves; nobody owns its element
SEAL = NamedSet(_I, "seal", "Digest of these rules as pynet wrote them", (IPV6,))
