"""The options that pynet reads: of networks (``docker network create -o``) and of endpoints (``--driver-opt``)."""

from plugin.options.dhcp_texts import VENDOR_CLASS, client_id, host_name, vendor_class
from plugin.options.dns import dns_option
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
    or_zero,
    source_of,
    toggle,
)
from plugin.options.policy import NOTHING, Entries, clients, destinations, group_names, sources
from plugin.options.rates import OFF, Rate, amount_option, rate_option
from plugin.options.senders import NOBODY, senders
from plugin.protocol.messages import Address

BRIDGE = "com.docker.network.bridge."
NAT, UNPROTECTED, ROUTED, ISOLATED = GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
_GATEWAY_HELP = (
    "`nat`: addresses are translated, and only published ports can be reached; `nat-unprotected`: every port of a "
    "container can also be reached at the container's own address; `routed`: no translation, published ports can be "
    "reached at the container's own address; `isolated`: no gateway address at all, with `--internal` only"
)

_ENTRIES = "none, or entries such as tcp/443 @ 10.0.0.0/8, with commas between them"

_NONE: tuple[str, ...] = ()
_LEAST_MTU = 68  # bytes that every link can carry (RFC 791); the kernel sets no smaller MTU


class NetworkSettings(OptionSet):
    """Settings of networks of every mode, each declared here and nowhere else; a mode may add its own."""

    mode = Option(
        "pynet.mode",
        str,
        "bridge",
        "a mode",  # the modes that there are name themselves (plugin.modes.registry)
        "",
    )
    publish = Option(
        "pynet.publish",
        choice("pynet", "engine"),
        "pynet",
        "pynet or engine",
        "who publishes ports; with `engine`, containers get no gateway on the network, and the engine connects them to "
        "its own `docker_gwbridge`, so that `docker ps` shows the ports",
    )
    guard = Option(
        "pynet.guard",
        toggle,
        True,
        "on or off",
        "whether a container may send only from its own MAC and addresses",
        live=True,
    )
    guard_allow = Option(
        "pynet.guard_allow",
        senders,
        NOBODY,
        "addresses, subnets or MACs, with commas between them",
        "from what else every container may send: `0.0.0.0/0` for a router or a VPN gateway, the MAC of a virtual "
        "machine, or a floating address",
        live=True,
    )
    allow_from: Option[Entries | None] = Option(
        "pynet.from",
        sources,
        None,
        _ENTRIES,
        "who may open connections to a container, from its network or routed: addresses, subnets and groups; without "
        "the option everybody who can reach it may",
        live=True,
    )
    egress = Option(
        "pynet.egress",
        choice("allow", "deny"),
        "allow",
        "allow or deny",
        "with `deny`, a container opens connections only to what `pynet.allow_out` names",
        live=True,
    )
    allow_out: Option[Entries] = Option(
        "pynet.allow_out",
        destinations,
        NOTHING,
        _ENTRIES,
        "with `pynet.egress=deny`: where a container may open connections to: addresses, subnets, groups, and names of "
        "hosts such as `dns:github.com tcp/443`",
        live=True,
    )
    publish_from: Option[Entries | None] = Option(
        "pynet.publish_from",
        clients,
        None,
        _ENTRIES,
        "which addresses and subnets may use published ports; protocols and ports are the container's; the host itself "
        "always may",
        live=True,
    )
    dns = dns_option()
    rate_in = rate_option("pynet.rate_in", OFF, "how much each container may receive a second, by this network")
    rate_out = rate_option("pynet.rate_out", OFF, "how much each container may send a second, by this network")
    burst_in = amount_option(
        "pynet.burst_in",
        "with `pynet.rate_in`: how much may come at once after a pause; by default, and at least, 128 KiB, 4 ms of the "
        "rate, and one and a half of the largest packet",
    )
    burst_out = amount_option("pynet.burst_out", "the same for `pynet.rate_out`")
    forwarding = Option(
        "pynet.forwarding",
        toggle,
        True,
        "on or off",
        "whether pynet turns on the host's forwarding for this network where it is off; with `off` that is left to the "
        "administrator, and until then containers reach nothing but the host",
    )
    sticky = Option(
        "pynet.sticky",
        choice("off", "name"),
        "off",
        "off or name",
        "with `name`, a container that is created again under its name gets the same address and MAC; needs "
        "`--ipam-driver pynet`, where it is also an `--ipam-opt`, and Engine 29.0 or later, which sends the names",
    )
    keep = Option(
        "pynet.keep",
        duration,
        "24h",
        "a time such as 30m, 24h or 7d",
        "with `pynet.sticky=name`: how long an address is kept for its container; another container gets it earlier "
        "when no other address is free",
    )
    bridge_name = Option(
        BRIDGE + "name",
        link_name,
        "",
        "a name of up to 15 bytes without spaces, quotes or any of / : * % \\",
        "name of the bridge, by default `pn-` and 12 digits of the id; an existing bridge is used and never deleted",
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
        "whether packets that leave the host get the host's address as their source",
        live=True,
    )
    icc = Option(
        BRIDGE + "enable_icc",
        flag,
        True,
        "true or false",
        "whether containers of the network can reach each other; published ports can be reached anyway",
        live=True,
    )
    host_binding = Option(
        BRIDGE + "host_binding_ipv4",
        host_place,
        None,
        "an IP address, unicast or 0.0.0.0 or ::",
        "host address for ports that are published without one; by default all IPv4 and IPv6 addresses",
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
        "source address of IPv4 packets that leave the host, instead of the outgoing link's",
    )
    host_ipv6 = Option(
        "com.docker.network.host_ipv6",
        source_of(6),
        None,
        "an IPv6 address, unicast",
        "the same for IPv6",
    )
    trusted = Option(
        BRIDGE + "trusted_host_interfaces",
        link_names,
        _NONE,
        "names of links, with colons between them",
        "links from which published ports can also be reached at the container's own address",
    )
    mtu = Option(
        "com.docker.network.driver.mtu",
        or_zero(integer(_LEAST_MTU, 65535)),
        0,
        f"a number of bytes, 0 or from {_LEAST_MTU} to 65535",
        "largest packet, on the bridge and on both ends of every endpoint; with 0 it is 1500, and in mode `overlay` "
        "the largest that fits into the link to the other hosts",
        live=True,
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
    """Settings of an endpoint."""

    guard: Option[bool | None] = Option(
        NetworkSettings.guard.key,
        toggle,
        None,
        NetworkSettings.guard.legal,
        "whether this container is guarded; by default as the option of its network says",
        live=True,
    )
    guard_allow = Option(
        NetworkSettings.guard_allow.key,
        senders,
        NOBODY,
        NetworkSettings.guard_allow.legal,
        "from what else this container may send, besides what its network allows",
        live=True,
    )
    groups = Option(
        "pynet.group",
        group_names,
        _NONE,
        "none, or up to four names, with commas between them",
        "groups of its network that this container is in, for entries of `pynet.from` and `pynet.allow_out`",
        live=True,
    )
    allow_from: Option[Entries | None] = Option(
        NetworkSettings.allow_from.key,
        sources,
        None,
        NetworkSettings.allow_from.legal,
        "who may open connections to this container; by default as the option of its network says, as for the next "
        "three",
        live=True,
    )
    egress: Option[str | None] = Option(
        NetworkSettings.egress.key,
        NetworkSettings.egress.parse,
        None,
        NetworkSettings.egress.legal,
        "with `deny`, this container opens connections only to what `pynet.allow_out` names",
        live=True,
    )
    allow_out: Option[Entries | None] = Option(
        NetworkSettings.allow_out.key,
        destinations,
        None,
        NetworkSettings.allow_out.legal,
        "where this container may open connections to",
        live=True,
    )
    publish_from: Option[Entries | None] = Option(
        NetworkSettings.publish_from.key,
        clients,
        None,
        NetworkSettings.publish_from.legal,
        "which addresses and subnets may use published ports of this container",
        live=True,
    )
    rate_in: Option[Rate | None] = rate_option(
        NetworkSettings.rate_in.key,
        None,
        "how much this container may receive a second; by default, as for the next three, as its network says",
    )
    rate_out: Option[Rate | None] = rate_option(
        NetworkSettings.rate_out.key, None, "how much this container may send a second"
    )
    burst_in = amount_option(NetworkSettings.burst_in.key, "how much may come at once after a pause")
    burst_out = amount_option(NetworkSettings.burst_out.key, "how much may go at once after a pause")
    host_name = Option(
        "pynet.hostname",
        host_name,
        "",
        "a name of letters, digits and hyphens, with dots between its parts",
        "with `pynet.dhcp=on`: the name that the server is told (option 12); MAC and client id follow from it, so a "
        "container that is created again gets the same address",
    )
    client_id: Option[bytes | None] = Option(
        "pynet.client_id",
        client_id,
        None,
        "a text of up to 254 characters of ASCII, or two bytes or more such as 01:02:42:0a:09:00:02",
        "with `pynet.dhcp=on`: the client id (option 61) instead of the one that follows from the name; a text gets "
        "type 0",
    )
    vendor_class: Option[str | None] = Option(
        "pynet.vendor_class",
        vendor_class,
        None,
        VENDOR_CLASS,
        "with `pynet.dhcp=on`: the vendor class of this container (option 60); by default as its network says",
    )
    address = Option(
        "pynet.address",
        source_of(4),
        None,
        "an IPv4 address, unicast",
        "with `pynet.dhcp=on`: the address that the server is asked for (option 50); another one is refused",
    )
