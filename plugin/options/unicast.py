"""Which addresses, MACs and subnets can be a host's, a container's or a network's. No I/O."""

from ipaddress import IPv4Network, IPv6Network

from netlink.ip import Address, Subnet

# RFC 6890. The kernel takes the rest of 0.0.0.0/8 and 240.0.0.0/4 for unicast, and so does Docker's bridge (tried).
_NO_UNICAST: tuple[tuple[Subnet, str], ...] = (
    (IPv4Network("0.0.0.0/32"), "the unspecified address"),
    (IPv4Network("224.0.0.0/4"), "multicast addresses"),
    (IPv4Network("255.255.255.255/32"), "the broadcast address"),
    (IPv6Network("::/128"), "the unspecified address"),
    (IPv6Network("::ffff:0:0/96"), "IPv4 addresses in IPv6 form"),
    (IPv6Network("ff00::/8"), "multicast addresses"),
)
_LOOPBACK: tuple[Subnet, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def is_unicast(address: Address) -> bool:
    """Say whether an address can be one host's: the loopback address is, an IPv4 address in IPv6 form is not."""
    return not any(address.version == kind.version and address in kind for kind, _ in _NO_UNICAST)


def is_machines_mac(mac: str) -> bool:
    """Say whether six bytes in hex can be one link's: not zero, no group's (is_valid_ether_addr, etherdevice.h)."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return any(raw) and not raw[0] & 1


def unusable(subnet: Subnet) -> str:
    """Return the kind of addresses in a subnet that no container can have, "" if the subnet is usable."""
    for kind, words in (*_NO_UNICAST, *((loopback, "loopback addresses") for loopback in _LOOPBACK)):
        if subnet.version == kind.version and subnet.overlaps(kind):
            return words
    return ""
