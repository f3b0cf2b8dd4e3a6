"""The words of pynet's resolver that are the same on every host: where it listens, and the end of full names."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

from plugin.protocol.messages import Address

# Of link ``lo``. The same on all hosts, so that one line in daemon.json fits all; nobody outside of a host asks there.
RESOLVER: Mapping[int, Address] = {
    4: IPv4Address("169.254.53.53"),  # link-local (RFC 3927)
    6: IPv6Address("fd50:796e:6574::53"),  # unique local (RFC 4193)
}
PORT = 5359  # below net.ipv4.ip_local_port_range; another one than 53, so that conntrack shows who came by the rules
PROTOCOLS = ("udp", "tcp")
DOMAIN = ".pynet"  # ends full names: NAME.NETWORK.pynet
ITSELF = f"resolver{DOMAIN}"  # leads to RESOLVER, for everybody who asks pynet
HOST = ""  # in the place of a network: the host itself asks, and may ask for full names of all networks
