"""The options of ``docker network create -o`` that pynet reads, and those of ``--driver-opt`` of an endpoint."""

from plugin.options.option import (
    Option,
    OptionSet,
    choice,
    duration,
    flag,
    host_place,
    integer,
    link_name,
    link_names,
    link_prefix,
    network_name,
    source_of,
    toggle,
)
from plugin.options.senders import NOBODY, senders
from plugin.protocol.messages import Address

LARGEST_VNI = (1 << 24) - 1  # RFC 7348
BRIDGE = "com.docker.network.bridge."
NAT, UNPROTECTED, ROUTED, ISOLATED = GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
_GATEWAY_HELP = (
    "`nat`: translated, only published ports can be reached; `nat-unprotected`: every port of a container can be "
    "reached by its own address too; `routed`: no translation, published ports can be reached by the container's own "
    "address; "
    "`isolated`: no gateway address at all, with `--internal` only"
)

_NONE: tuple[str, ...] = ()


class NetworkSettings(OptionSet):
    """What a user asked of a network; each option is declared here and nowhere else."""

    mode = Option(
        "pynet.mode",
        choice("bridge", "overlay"),
        "bridge",
        "bridge or overlay",
        "how the network is made: `bridge` is of one host, `overlay` spans hosts",
    )
    network = Option(
        "pynet.network",
        network_name,
        "",
        "1 to 63 letters, digits, dots, dashes or underlines",
        "name by which hosts know an `overlay` network: those with one name are one network",
    )
    vni = Option(
        "pynet.vni",
        integer(1, LARGEST_VNI),
        0,
        f"a number from 1 to {LARGEST_VNI}",
        "VXLAN network identifier of an `overlay` network; by default a free one of the cluster",
    )
    vxlan_port = Option(
        "pynet.vxlan_port",
        integer(1, 65535),
        4789,
        "a number from 1 to 65535",
        "UDP port of an `overlay` network's VXLAN",
    )
    publish = Option(
        "pynet.publish",
        choice("pynet", "engine"),
        "pynet",
        "pynet or engine",
        "who publishes ports; with `engine` containers get no gateway of the network, and the engine adds its own "
        "`docker_gwbridge`, through which `docker ps` shows the ports",
    )
    guard = Option(
        "pynet.guard",
        toggle,
        True,
        "on or off",
        "whether a container may send only from the MAC and the addresses that it was given",
    )
    guard_allow = Option(
        "pynet.guard_allow",
        senders,
        NOBODY,
        "addresses, subnets or MACs, with commas between them",
        "from which every container may send beside its own: for a router or a VPN gateway `0.0.0.0/0`, for a virtual "
        "machine its MAC, for an address that moves that address",
    )
    forwarding = Option(
        "pynet.forwarding",
        toggle,
        True,
        "on or off",
        "whether pynet turns the host's forwarding on for this network where it is off; with `off` that is left to "
        "whoever runs the host, and until it is on the network reaches the host alone",
    )
    sticky = Option(
        "pynet.sticky",
        choice("off", "name"),
        "off",
        "off or name",
        "with `name` a container that is made again under its name gets its address and MAC again; needs "
        "`--ipam-driver pynet`, which takes it as `--ipam-opt` too, and Engine 29.0 or later, which tells the names",
    )
    keep = Option(
        "pynet.keep",
        duration,
        "24h",
        "a time such as 30m, 24h or 7d",
        "with `pynet.sticky=name`: how long an address waits for its container; others get it earlier when "
        "none is left",
    )
    bridge_name = Option(
        BRIDGE + "name",
        link_name,
        "",
        "a name of up to 15 bytes without spaces, quotes or any of / : * % \\",
        "name of the bridge, by default `pn-` and 12 digits of the id; one that exists is used and never deleted",
    )
    gateway_mode_ipv4 = Option(
        BRIDGE + "gateway_mode_ipv4",
        choice(*GATEWAY_MODES),
        NAT,
        "nat, nat-unprotected, routed or isolated",
        _GATEWAY_HELP,
    )
    gateway_mode_ipv6 = Option(
        BRIDGE + "gateway_mode_ipv6",
        choice(*GATEWAY_MODES),
        NAT,
        "nat, nat-unprotected, routed or isolated",
        "the same for IPv6",
    )
    masquerade = Option(
        BRIDGE + "enable_ip_masquerade",
        flag,
        True,
        "true or false",
        "whether what leaves has the host's address as source",
    )
    icc = Option(
        BRIDGE + "enable_icc",
        flag,
        True,
        "true or false",
        "whether containers of the network reach each other; published ports can be reached anyway",
    )
    host_binding = Option(
        BRIDGE + "host_binding_ipv4",
        host_place,
        None,
        "an IP address, unicast or 0.0.0.0 or ::",
        "host address for ports that are published without one; by default all of IPv4 and IPv6",
    )
    inhibit_ipv4 = Option(
        BRIDGE + "inhibit_ipv4",
        flag,
        False,
        "true or false",
        "leave the IPv4 gateway address off the bridge, because another router has it",
    )
    host_ipv4 = Option(
        "com.docker.network.host_ipv4",
        source_of(4),
        None,
        "an IPv4 address, unicast",
        "source address of what leaves by IPv4, instead of the outgoing link's",
    )
    host_ipv6 = Option(
        "com.docker.network.host_ipv6",
        source_of(6),
        None,
        "an IPv6 address, unicast",
        "the same for what leaves by IPv6",
    )
    trusted = Option(
        BRIDGE + "trusted_host_interfaces",
        link_names,
        _NONE,
        "names of links, with colons between them",
        "links from which published ports can be reached by the container's own address too",
    )
    mtu = Option(
        "com.docker.network.driver.mtu",
        integer(0, 65535),
        0,
        "a number of bytes from 0 to 65535",
        "largest packet, on the bridge and on both ends of every endpoint; 0 leaves the kernel's 1500, in mode "
        "`overlay` what fits into the link to the other hosts",
    )
    interface_prefix = Option(
        "com.docker.network.container_iface_prefix",
        link_prefix,
        "eth",
        "1 to 12 bytes without spaces, / : or %",
        "beginning of the interface name in the container; the engine appends a number",
    )

    def gateway_mode(self, version: int) -> str:
        """Return the gateway mode of an IP version."""
        return self.gateway_mode_ipv4 if version == 4 else self.gateway_mode_ipv6

    def source_address(self, version: int) -> Address | None:
        """Return the source address of packets that leave by an IP version, None for the outgoing link's."""
        return self.host_ipv4 if version == 4 else self.host_ipv6


class EndpointSettings(OptionSet):
    """What a user asked of an endpoint, by ``--driver-opt``."""

    guard: Option[bool | None] = Option(
        NetworkSettings.guard.key,
        toggle,
        None,
        NetworkSettings.guard.legal,
        "whether this container is guarded; by default as its network says",
    )
    guard_allow = Option(
        NetworkSettings.guard_allow.key,
        senders,
        NOBODY,
        NetworkSettings.guard_allow.legal,
        "from which this container may send beside what its network allows",
    )


OVERLAY_OPTIONS = (NetworkSettings.network, NetworkSettings.vni, NetworkSettings.vxlan_port)  # of no other mode
