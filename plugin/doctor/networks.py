"""Findings about forwarding, routes, pools and bridges of networks."""

from collections.abc import Iterator

from netlink.sysctl import FORWARDING
from plugin.doctor.detours import OUTSIDE
from plugin.doctor.facts import Facts, HostFinding, Severity
from plugin.ipam.supernets import Supernet
from plugin.protocol.messages import Subnet
from plugin.protocol.own_messages import Fill

MOST_PORTS = 1023  # of a bridge: BR_MAX_PORTS is 1 << 10, and port 0 is none (net/bridge/br_private.h)
MANY_PORTS = 920
NEARLY_FULL = 0.9
MANY_REPAIRS = 5  # of settings since the start: nobody turns one off so often by hand


def forwarding(facts: Facts) -> Iterator[HostFinding]:
    """Pynet turns it on for the first network; turning it off afterwards cuts containers off."""
    for version in sorted(facts.state.routed):
        if facts.settings.get(FORWARDING[version]) == "0":
            name = FORWARDING[version].replace("/", ".")
            cause = f"{name} is 0 although there are networks that need it: containers do not reach the outside"
            commands = (f"sysctl -w {name}=1", f"grep -rn {name} /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d")
            yield HostFinding(Severity.ERROR, cause, "turn it on, and find what turned it off", commands)


def turned_off(facts: Facts) -> Iterator[HostFinding]:
    """If pynet repairs settings again and again, something keeps breaking them."""
    number = sum(count for kind, count in facts.serving.repairs.items() if "Setting" in kind)
    if number >= MANY_REPAIRS:
        cause = f"something keeps changing settings that networks need, such as ip_forward: pynet repaired {number}"
        cure = "read in pynet's log which ones, and stop the program or the timer that sets them"
        commands = ("journalctl --no-pager -u pynet.service | grep repaired",) if facts.systemd else ()
        yield HostFinding(Severity.WARNING, cause, cure, commands)


def router_advertisements(facts: Facts) -> Iterator[HostFinding]:
    """A host that forwards IPv6 ignores routers, except on links with ``accept_ra=2``."""
    on = facts.settings.get(FORWARDING[6], "0") not in {"", "0"}
    for link in facts.deaf:
        if on:
            cause = f"link '{link}' ignores routers since the host forwards IPv6, and there is no IPv6 default route"
        else:
            cause = (
                f"the first network with IPv6 makes the host lose the default route that routers advertise on '{link}'"
            )
        key = f"net.ipv6.conf.{link}.accept_ra=2"
        commands = (f"sysctl -w {key}", f"echo {key} >/etc/sysctl.d/60-{link}-accept-ra.conf")
        yield HostFinding(Severity.WARNING, cause, "accept routers on it, now and after the next boot", commands)


def detours(facts: Facts) -> Iterator[HostFinding]:
    """A route of a VPN, or a rule of policy routing, may come before the network's own route."""
    for detour in facts.detours:
        where = f"{_which(detour.network, detour.subnet, facts)}, {detour.subnet} on link '{detour.link}'"
        if detour.outwards:
            cause = f"what containers send to the outside, such as {detour.address}, meets {detour.how}, in {where}"
            outside = OUTSIDE[detour.subnet.version]
            ask = f"ip route get {outside} from {detour.address} iif {detour.link}"
            cure = "find that rule or route, and remove it"
        else:
            cause = f"packets for container address {detour.address} go by {detour.how}, and not to {where}"
            ask = f"ip route get {detour.address}"
            cure = "find that rule or route and remove it, or give the network another subnet"
        yield HostFinding(Severity.ERROR, cause, cure, ("ip rule", ask))


def full_pools(facts: Facts) -> Iterator[HostFinding]:
    """When a pool is full, the next container gets no address."""
    for fill in facts.fills:
        if fill.taken < NEARLY_FULL * fill.size:
            continue
        full = fill.taken >= fill.size
        cause = f"{fill.taken} of {fill.size} addresses of {fill.subnet} are taken, {_of(fill, facts)}"
        cause += ": no container gets one any more" if full else ""
        cure = "remove containers, or use a network with a greater subnet"
        yield HostFinding(Severity.WARNING if full else Severity.NOTE, cause, cure, ("pynet endpoint ls",))


def pools(facts: Facts) -> Iterator[HostFinding]:
    """Pynet passes over pools that overlap something; it is bad when none is left."""
    others = [network for network in facts.host_networks if network not in facts.own_pools]
    others += [network for _, network in facts.engine.networks if network not in facts.own_pools]
    left = dict.fromkeys((supernet.network.version for supernet in facts.supernets), 0)
    for supernet in facts.supernets:
        blocked = _blocked(supernet, others)
        number = 1 << (supernet.size - supernet.network.prefixlen)
        left[supernet.network.version] += number - blocked
        if blocked >= number / 2:
            named = _named(supernet, others, {net: name for name, net in facts.engine.networks})
            cause = f"{blocked} of {number} pools of {supernet.network} are in use by the host: {named}"
            severity = Severity.NOTE if blocked < number else Severity.WARNING
            yield HostFinding(severity, cause, "pynet passes over them; name other supernets in PYNET_POOLS")
    for version, number in left.items():
        if not number:
            cause = f"no IPv{version} pool is left for networks without a subnet of their own"
            yield HostFinding(Severity.ERROR, cause, "name supernets that the host does not use in PYNET_POOLS")


def bridges(facts: Facts) -> Iterator[HostFinding]:
    """The kernel counts the ports of a bridge in ten bits."""
    for name, number in facts.ports.items():
        if number >= MANY_PORTS:
            full = number >= MOST_PORTS
            cause = f"bridge '{name}' has {number} of {MOST_PORTS} ports" + (": no container fits in" if full else "")
            cure = "put further containers on another network"
            yield HostFinding(Severity.ERROR if full else Severity.WARNING, cause, cure)


def limits(facts: Facts) -> Iterator[HostFinding]:
    """A record may come from another kernel, as after a reboot."""
    if not facts.unlimited:
        return
    cause = f"the kernel cannot limit the rates of containers: {facts.unlimited}"
    cure = "load the modules, or use a kernel that has them"
    commands = ("modprobe -a sch_tbf ifb sch_ingress cls_u32 act_mirred",)
    if facts.limited:
        cause = f"{cause}; networks want that, such as '{facts.limited[0][:12]}'"
    yield HostFinding(Severity.WARNING if facts.limited else Severity.NOTE, cause, cure, commands)


def host_names(facts: Facts) -> Iterator[HostFinding]:
    """Until an address is known, connections to a name that a policy allows are refused."""
    for name in facts.unresolved:
        cause = f"a policy allows '{name}', of which no address is known: containers do not reach it"
        cure = "mend the name or the resolvers of the host, or name addresses in pynet.allow_out"
        yield HostFinding(Severity.WARNING, cause, cure, (f"getent ahosts {name}", "pynet policy show"))


def _of(fill: Fill, facts: Facts) -> str:
    return f"in {_which(fill.network, fill.subnet, facts)}"


def _which(network: str, subnet: Subnet, facts: Facts) -> str:
    """Return the name of a network if the engine tells it, else its id."""
    names = [name for name, pool in facts.engine.networks if pool.overlaps(subnet)]  # false for another IP version
    if names:
        return f"network '{names[0]}'"
    return f"network '{network[:12]}'" if network else "a pool without a network of pynet's"


def _overlapping(supernet: Supernet, networks: list[Subnet]) -> list[Subnet]:
    within = [network for network in networks if network.version == supernet.network.version]
    return [network for network in within if network.overlaps(supernet.network)]


def _blocked(supernet: Supernet, networks: list[Subnet]) -> int:
    """Return how many pools of ``supernet`` overlap one of ``networks``."""
    shift = supernet.network.max_prefixlen - supernet.size
    begin, end = int(supernet.network.network_address) >> shift, int(supernet.network.broadcast_address) >> shift
    runs = [
        (max(begin, int(network.network_address) >> shift), min(end, int(network.broadcast_address) >> shift))
        for network in _overlapping(supernet, networks)
    ]
    blocked, reached = 0, begin - 1
    for first, last in sorted(runs):
        blocked += max(0, last - max(first, reached + 1) + 1)
        reached = max(reached, last)
    return blocked


def _named(supernet: Supernet, networks: list[Subnet], names: dict[Subnet, str]) -> str:
    found = list(dict.fromkeys(_overlapping(supernet, networks)))
    shown = [f"{network} ({names[network]})" if network in names else str(network) for network in found[:3]]
    return ", ".join(shown) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
