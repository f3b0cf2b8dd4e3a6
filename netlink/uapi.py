"""Constants and structs of the kernel's headers, each once and under the name that it has there.

Structs are in the byte order of the host. Constants that Python's ``socket`` has are taken from there.
"""

import struct
import sys

ORDER = {"little": "<", "big": ">"}[sys.byteorder]  # begins the format of every struct of the host

# asm-generic/socket.h, linux/socket.h
SO_ATTACH_FILTER = 26
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33  # past net.core.wmem_max and rmem_max
SO_TIMESTAMPNS = 35  # SO_TIMESTAMPNS_OLD, whose message has a struct timespec of the host
AF_BRIDGE, SOL_PACKET, SOL_NETLINK = 7, 263, 270

# linux/sched.h
CLONE_NEWNET = 0x40000000

# linux/netlink.h
NLMSGHDR = struct.Struct(f"{ORDER}IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
NLATTR = struct.Struct(f"{ORDER}HH")  # struct nlattr: length, type
NETLINK_SOCK_DIAG, NETLINK_NETFILTER = 4, 12
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK = 1, 10, 12
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_ECHO, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x4, 0x8, 0x10, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF

# linux/rtnetlink.h
IFINFOMSG = struct.Struct(f"{ORDER}BxHiII")  # struct ifinfomsg: family, type, index, flags, change mask
RTMSG = struct.Struct(f"{ORDER}BBBBBBBBI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWNETCONF = 80
RTM_GETNSID, RTM_GETVLAN = 90, 114
RTM_GETSTATS = 94
RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 44, 45, 46
RTMGRP_LINK, RTMGRP_TC, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x8, 0x10, 0x100
TCMSG = struct.Struct(f"{ORDER}BxxxiIII")  # struct tcmsg: family, link, handle, parent, info
TCA_KIND, TCA_OPTIONS = 1, 2
RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE = 0x40, 0x400
RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF = 24, 25
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 2, 3, 4, 5, 6, 7
RTA_MULTIPATH, RTA_VIA = 9, 18
RTNH_F_ONLINK = 4
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_TABLE_MAIN = 0, 253, 254
RTN_UNICAST, RTN_LOCAL, RTN_MULTICAST = 1, 2, 5
RTPROT_BOOT, RTPROT_RA = 3, 9
RTM_F_CLONED = 0x200  # an entry of the route cache
RTEXT_FILTER_SKIP_STATS = 8

# linux/net_namespace.h
RTGENMSG = struct.Struct(f"{ORDER}Bxxx")  # struct rtgenmsg: family
NETNSA_NSID = 1

# linux/if.h, linux/if_ether.h
IFF_UP, IF_OPER_UP, ETH_P_ALL = 0x1, 6, 3

# linux/if_ether.h, linux/if_packet.h
ETH_P_ALL, PACKET_OUTGOING = 3, 4
PACKET_ADD_MEMBERSHIP, PACKET_STATISTICS, PACKET_AUXDATA = 1, 6, 8
PACKET_MR_UNICAST = 3
PACKET_MREQ = struct.Struct(f"{ORDER}iHH8s")  # struct packet_mreq: link, kind, length of the address, address
TPACKET_STATS = struct.Struct(f"{ORDER}II")  # struct tpacket_stats: packets, drops
TPACKET_AUXDATA = struct.Struct(f"{ORDER}IIIHHHH")  # status, length, captured length, offsets, VLAN tag and its type
TP_STATUS_VLAN_VALID = 1 << 4

# linux/filter.h
SOCK_FILTER = struct.Struct(f"{ORDER}HBBI")  # struct sock_filter: code, jumps, constant
SKF_AD_PKTTYPE, SKF_AD_VLAN_TAG_PRESENT = (0xFFFFF000 + offset for offset in (4, 48))  # SKF_AD_OFF is -0x1000

# linux/if_link.h, linux/veth.h
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_QDISC = 1, 3, 4, 5, 6
IFLA_MASTER, IFLA_PROTINFO = 10, 12
IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP, IFLA_EXT_MASK = 16, 18, 20, 26, 27, 29
IFLA_GSO_MAX_SIZE, IFLA_GRO_MAX_SIZE, IFLA_TSO_MAX_SIZE = 41, 58, 59
IFLA_GSO_IPV4_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE = 63, 64
IFLA_TARGET_NETNSID = 46
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_DATA = 1, 2, 5
IFLA_INET_CONF, IFLA_INET6_CONF, IFLA_INET6_ADDR_GEN_MODE = 1, 2, 8
IFLA_BRPORT_MODE, IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD = 4, 8, 9
IFLA_BRPORT_GROUP_FWD_MASK, IFLA_BRPORT_NEIGH_SUPPRESS, IFLA_BRPORT_ISOLATED = 31, 32, 33
IFLA_VXLAN_ID, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LEARNING, IFLA_VXLAN_PORT, IFLA_VXLAN_LOCAL6 = 1, 4, 7, 15, 17
IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS, IFLA_VLAN_ID = 1, 1, 2, 1
IN6_ADDR_GEN_MODE_NONE = 1
VETH_INFO_PEER = 1

# linux/if_link.h, statistics
IF_STATS_MSG = struct.Struct(f"{ORDER}BxxxII")  # struct if_stats_msg: family, link, mask of wanted attributes
IFLA_STATS_LINK_64, IFLA_STATS_FILTER_LINK_64 = 1, 1 << 0
# struct rtnl_link_stats64: received and sent packets, bytes, errors and drops; the rest is about causes
LINK_STATS = struct.Struct(f"{ORDER}8Q")
# linux/pkt_sched.h
TC_H_ROOT, TC_H_INGRESS, TC_H_INGRESS_FILTERS = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFFFFF2  # the last: TC_H_MIN_INGRESS
# struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate
TC_RATESPEC = struct.Struct(f"{ORDER}BBHhHI")
TC_TBF_QOPT_TAIL = struct.Struct(f"{ORDER}III")  # the end of struct tc_tbf_qopt: limit, buffer, mtu
TC_LINKLAYER_ETHERNET = 1
TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_BURST = 1, 4, 6
PSCHED_SHIFT = 6  # a tick is 64 ns (net/pkt_sched.h)

# linux/pkt_cls.h, linux/tc_act/tc_mirred.h
TCA_U32_SEL, TCA_U32_ACT, TC_U32_TERMINAL = 5, 7, 1
# struct tc_u32_sel: flags, offshift, nkeys, offmask, off, offoff, hoff, hmask
TC_U32_SEL = struct.Struct(f"{ORDER}BBBxHHhhI")
TC_U32_KEY = struct.Struct(f"{ORDER}IIii")  # struct tc_u32_key: mask, value, off, offmask
TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_MIRRED_PARMS = 1, 2, 2
# struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, link
TC_MIRRED = struct.Struct(f"{ORDER}IIiiiiI")
TC_ACT_STOLEN, TCA_EGRESS_REDIR = 4, 1

# linux/if_bridge.h
IFLA_BRIDGE_VLAN_INFO, IFLA_BR_VLAN_FILTERING = 2, 7
BRIDGE_VLAN_INFO_PVID, BRIDGE_VLAN_INFO_UNTAGGED = 1 << 1, 1 << 2
BRIDGE_VLAN_INFO_RANGE_BEGIN, BRIDGE_VLAN_INFO_RANGE_END = 1 << 3, 1 << 4
BR_VLAN_MSG = struct.Struct(f"{ORDER}BxxxI")  # struct br_vlan_msg: family, link
BRIDGE_VLANDB_ENTRY, BRIDGE_VLANDB_ENTRY_INFO, BRIDGE_VLANDB_ENTRY_RANGE = 1, 1, 2

# linux/if_addr.h
IFADDRMSG = struct.Struct(f"{ORDER}BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, link
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS, IFA_TARGET_NETNSID = 1, 2, 8, 10
IFA_F_TEMPORARY, IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE = 0x01, 0x02, 0x08, 0x20, 0x40

# linux/neighbour.h
NDMSG = struct.Struct(f"{ORDER}BxxxiHBB")  # struct ndmsg: family, link, state, flags, type
NDA_DST, NDA_LLADDR, NDA_IFINDEX, NDA_MASTER = 1, 2, 8, 9
NTF_SELF, NTF_MASTER, NTF_PROXY = 0x02, 0x04, 0x08
NUD_REACHABLE, NUD_NOARP, NUD_PERMANENT = 0x02, 0x40, 0x80

# linux/netconf.h
NETCONFMSG = 4  # bytes of struct netconfmsg and its padding
NETCONFA_IFINDEX = 1
NETCONFA_IFINDEX_ALL = b"\xff\xff\xff\xff"  # -1

# linux/unix_diag.h, linux/sock_diag.h
UNIX_DIAG_REQ = struct.Struct(f"{ORDER}BBHIIIII")  # struct unix_diag_req: family, protocol, states, inode, show, cookie
UNIX_DIAG_MSG = 16  # bytes of struct unix_diag_msg
SOCK_DIAG_BY_FAMILY = 20
# struct inet_diag_req_v2: family, protocol, extensions, padding, states; the port; the rest of struct inet_diag_sockid
INET_DIAG_REQ = struct.Struct(f"{ORDER}BBBxI2s46x")
INET_DIAG_MSG_SOURCE = slice(8, 24)  # where the address is in struct inet_diag_msg
UDIAG_SHOW_NAME, UDIAG_SHOW_UID = 0x01, 0x40
UNIX_DIAG_NAME, UNIX_DIAG_UID = 0, 7

# linux/netfilter/nfnetlink.h
NFGENMSG = 4  # bytes of struct nfgenmsg: family, version, resource
NFNLGRP_NFTABLES, NFNLGRP_NFTRACE = 7, 9
NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END = 0x10, 0x11
NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_NFTABLES = 1, 10

# linux/netfilter/nfnetlink_log.h; message types with their subsystem
NFNL_SUBSYS_ULOG = 4
NFULNL_MSG_PACKET, NFULNL_MSG_CONFIG = (NFNL_SUBSYS_ULOG << 8 | number for number in (0, 1))
NFULA_PACKET_HDR, NFULA_MARK, NFULA_TIMESTAMP, NFULA_IFINDEX_INDEV, NFULA_IFINDEX_OUTDEV = 1, 2, 3, 4, 5
NFULA_IFINDEX_PHYSINDEV, NFULA_IFINDEX_PHYSOUTDEV, NFULA_PAYLOAD, NFULA_PREFIX = 6, 7, 9, 10
NFULA_CFG_CMD, NFULA_CFG_MODE, NFULA_CFG_TIMEOUT, NFULA_CFG_QTHRESH = 1, 2, 4, 5
NFULNL_CFG_CMD_BIND, NFULNL_COPY_PACKET = 1, 2

# linux/netfilter.h
NFPROTO_INET, NFPROTO_IPV4, NFPROTO_ARP, NFPROTO_NETDEV, NFPROTO_BRIDGE, NFPROTO_IPV6 = 1, 2, 3, 5, 7, 10

# linux/netfilter/nfnetlink_conntrack.h; message types with their subsystem
IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8 | number for number in (1, 2))
IPCTNL_MSG_CT_NEW = NFNL_SUBSYS_CTNETLINK << 8
NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_DESTROY = 1, 3
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER = 1, 2, 25
CTA_STATUS, CTA_PROTOINFO, CTA_TIMEOUT, CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY, CTA_TIMESTAMP = 3, 4, 7, 9, 10, 20
CTA_COUNTERS_PACKETS, CTA_COUNTERS_BYTES, CTA_TIMESTAMP_START = 1, 2, 1
CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE = 1, 1
IPS_SEEN_REPLY = 1 << 1
CTA_TUPLE_IP, CTA_TUPLE_PROTO = 1, 2
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID = 1, 2, 3, 4, 7
CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS = 1, 2
CTA_FILTER_F_CTA_IP_SRC, CTA_FILTER_F_CTA_PROTO_NUM = 1 << 0, 1 << 3  # net/netfilter/nf_internals.h

# linux/netfilter/nf_tables.h; message types with their subsystem
NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSET = (
    NFNL_SUBSYS_NFTABLES << 8 | number for number in (1, 4, 7, 10)
)
NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_NEWGEN, NFT_MSG_GETGEN = (
    NFNL_SUBSYS_NFTABLES << 8 | number for number in (12, 13, 14, 15, 16)
)
NFT_MSG_TRACE = NFNL_SUBSYS_NFTABLES << 8 | 17
NFTA_TRACE_TABLE, NFTA_TRACE_CHAIN, NFTA_TRACE_RULE_HANDLE, NFTA_TRACE_TYPE, NFTA_TRACE_VERDICT = 1, 2, 3, 4, 5
NFTA_TRACE_ID, NFTA_TRACE_LL_HEADER, NFTA_TRACE_NETWORK_HEADER, NFTA_TRACE_TRANSPORT_HEADER = 6, 7, 8, 9
NFTA_TRACE_IIF, NFTA_TRACE_OIF, NFTA_TRACE_NFPROTO, NFTA_TRACE_POLICY = 10, 12, 15, 16
NFT_TRACETYPE_POLICY, NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN = 1, 1, 2
NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_GEN_ID = 1, 2, 1
NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK = 1, 3, 4
NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE, NFTA_CHAIN_FLAGS = 5, 7, 10
NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_USERDATA = 1, 2, 4, 7
NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN = 1, 2, 3, 4, 5
NFTA_SET_DATA_TYPE, NFTA_SET_DATA_LEN, NFTA_SET_DESC, NFTA_SET_TIMEOUT, NFTA_SET_USERDATA = 6, 7, 9, 11, 13
NFTA_SET_EXPR, NFT_SET_ANONYMOUS = 17, 1
NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS = 1, 2, 3
NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_KEY_END = 1, 2, 7, 10
NFTA_SET_ELEM_TIMEOUT, NFTA_SET_ELEM_EXPIRATION = 4, 5
NFTA_LIST_ELEM, NFTA_DATA_VALUE = 1, 1
NFTA_EXPR_NAME, NFTA_EXPR_DATA, NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS = 1, 2, 1, 2
