"""IP addresses of either version."""

import socket
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface  # an address with the length of its subnet's prefix
Subnet = IPv4Network | IPv6Network

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}  # by version
FAMILIES = tuple(FAMILY.values())
