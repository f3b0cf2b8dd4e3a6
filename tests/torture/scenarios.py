"""Every verb of every mode, and background work: the calls before it, and the engine's calls after it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from plugin.options.tunnel import DIRECT, VXLAN
from tests.torture.cluster import NAME, UNDERLAY
from tests.torture.engine import COMMAND, DRIVER, IPAM, THE_POOL, Call

NET, OTHER, NEW = "a1" * 32, "b2" * 32, "c3" * 32
END, SECOND, FRESH = "e0" * 32, "e1" * 32, "e2" * 32
ADOPTED, GATEWAY = "br-own", "10.9.0.1"
POOL = "pynet-local/10.40.0.0/24"
_NONE: Mapping[str, str] = {}
REQUEST, START, REAPER, RULES, PEERS, TAKER = "request", "start", "reaper", "rules", "peers", "takeover"
ALONE, WITH_ANOTHER = "alone", "with another host"


@dataclass(frozen=True, slots=True)
class Scenario:
    """``verb`` is under test, after ``before``; ``given_up`` is what the engine sends when it has given the verb up.

    ``where`` the steps are taken: by the request, after its reply by a background thread, or (without a verb) by the
    start or a thread that begins with it. ``reboot`` empties the kernel before the next start, and ``taken`` lets
    another host take over the container's address. The other host is dead if ``mourned`` is a time of takeover, in
    seconds. ``shared`` says who is in the cluster store, if there is one, and
    ``tunnel`` how packets get to the other host. Containers reach their ``gateway``, or each other where there is
    none. ``kind`` is a kind of links that the kernel must have. The verb begins when a record has the text ``ready``.
    With ``rekeyed`` the other host begins to change the keys of encrypted networks while pynet is away. ``rests`` are
    the seconds after which nothing happens any more.
    """

    name: str
    before: tuple[Call, ...] = ()
    verb: Call | None = None
    given_up: tuple[Call, ...] = ()
    where: str = REQUEST
    reboot: bool = False
    taken: bool = False
    setup: str = ""
    shared: str = ""
    gateway: str = GATEWAY
    kind: str = ""
    ready: str = ""
    tunnel: str = VXLAN
    rekeyed: bool = False
    rests: float = 6.0
    mourned: int = 0

    @property
    def net(self) -> Call:
        """The network under test, or one like it."""
        made = [call for call in (*self.before, self.verb) if call and call.body.get("NetworkID") == NET]
        return next((call for call in made if call.method == f"{DRIVER}CreateNetwork"), network())

    @property
    def leases(self) -> bool:
        """Whether containers have addresses by DHCP."""
        generic: Mapping[str, str] = self.net.body["Options"]["com.docker.network.generic"]
        return generic.get("pynet.dhcp") == "on"


def network(identity: str = NET, third: int = 9, *, ipv6: bool = False, internal: bool = False, own: str = "") -> Call:
    """CreateNetwork with the subnet 10.THIRD.0.0/24, and fd00:THIRD::/64 if asked for; ``own`` is a bridge option."""
    generic = dict([f"com.docker.network.bridge.{own}".split("=")]) if own else {}
    options: dict[str, Any] = {"com.docker.network.generic": generic, "com.docker.network.enable_ipv6": ipv6}
    options |= {"com.docker.network.internal": True} if internal else {}
    return Call(
        f"{DRIVER}CreateNetwork",
        {
            "NetworkID": identity,
            "Options": options,
            "IPv4Data": [pool_data(f"10.{third}.0.0/24", f"10.{third}.0.1/24")],
            "IPv6Data": [pool_data(f"fd00:{third}::/64", f"fd00:{third}::1/64")] if ipv6 else [],
        },
    )


def pool_data(pool: str, gateway: str) -> dict[str, Any]:
    """Return a subnet of CreateNetwork."""
    return {"AddressSpace": "LocalDefault", "Pool": pool, "Gateway": gateway, "AuxAddresses": {}}


def endpoint(
    identity: str = END,
    address: str = "10.9.0.2/24",
    address6: str = "",
    net: str = NET,
    options: Mapping[str, str] = _NONE,
) -> Call:
    """CreateEndpoint; without an address one is leased."""
    interface = {"Address": address, "AddressIPv6": address6, "MacAddress": ""}
    return Call(
        f"{DRIVER}CreateEndpoint",
        {"NetworkID": net, "EndpointID": identity, "Interface": interface, "Options": dict(options)},
    )


def join(identity: str = END, net: str = NET) -> Call:
    """Join."""
    body = {
        "NetworkID": net,
        "EndpointID": identity,
        "SandboxKey": f"/var/run/docker/netns/{identity[:12]}",
        "Options": {},
    }
    return Call(f"{DRIVER}Join", body)


def program(*ports: int, identity: str = END, net: str = NET) -> Call:
    """ProgramExternalConnectivity: every port by tcp, and by udp on 127.0.0.1."""
    bindings = [
        {"Proto": proto, "IP": "", "Port": 80, "HostIP": address, "HostPort": port, "HostPortEnd": port}
        for port in ports
        for proto, address in ((6, ""), (17, "127.0.0.1"))
    ]
    options = {"com.docker.network.portmap": bindings, "com.docker.network.endpoint.exposedports": []}
    body = {"NetworkID": net, "EndpointID": identity, "Options": options}
    return Call(f"{DRIVER}ProgramExternalConnectivity", body)


def of(verb: str, identity: str = END, net: str = NET) -> Call:
    """Return a call that names an endpoint and nothing else."""
    return Call(DRIVER + verb, {"NetworkID": net, "EndpointID": identity})


def overlay(identity: str = NET, tunnel: str = VXLAN, **options: str) -> Call:
    """CreateNetwork of the network that hosts share."""
    return of_mode("overlay", network(identity), network=NAME, tunnel=tunnel, **options)


def toy() -> Call:
    """CreateNetwork of the mode that has no gateway."""
    return of_mode("toy", network())


def of_mode(mode: str, call: Call, **options: str) -> Call:
    """Return CreateNetwork of another mode, with options of pynet."""
    generic = {"pynet.mode": mode, **{f"pynet.{key}": value for key, value in options.items()}}
    return replace(call, body={**call.body, "Options": {"com.docker.network.generic": generic}})


def pool(subnet: str = "", shared: str = "") -> Call:
    """RequestPool; ``shared`` names the network whose pool hosts share."""
    options = {"pynet.network": shared} if shared else {}
    body = {"AddressSpace": "pynet-local", "Pool": subnet, "SubPool": "", "Options": options, "V6": False}
    return Call(f"{IPAM}RequestPool", body)


def address(wish: str = "", *, gateway: bool = False, of_pool: str = POOL) -> Call:
    """RequestAddress."""
    options = {"RequestAddressType": "com.docker.network.gateway"} if gateway else None
    return Call(f"{IPAM}RequestAddress", {"PoolID": of_pool, "Address": wish, "Options": options})


def release(held: str, of_pool: str = POOL) -> Call:
    """ReleaseAddress."""
    return Call(f"{IPAM}ReleaseAddress", {"PoolID": of_pool, "Address": held})


def own(verb: str, **body: Any) -> Call:
    """Return a verb of pynet's own command about the network."""
    return Call(f"{COMMAND}{verb}", {"NetworkID": NET, **body})


REVOKE, LEAVE, DELETE = of("RevokeExternalConnectivity"), of("Leave"), of("DeleteEndpoint")
REMOVE = Call(f"{DRIVER}DeleteNetwork", {"NetworkID": NET})
DUAL = network(ipv6=True)
DUAL_END = endpoint(address6="fd00:9::2/64")
OWN = network(own=f"name={ADOPTED}")
MAKE_BRIDGE = f"ip link add {ADOPTED} address 02:00:00:00:00:11 up type bridge; ip addr add 10.9.0.1/24 dev {ADOPTED}"
CLOSED = network(own="enable_icc=false")
JOINED = (DUAL, DUAL_END, join())
PUBLISHED = (*JOINED, program(8080))
RELEASE = release("10.40.0.9")
POOLED = (pool("10.40.0.0/24"), address(gateway=True))
CHANGE = own("SetOptions", Options={"icc": "off", "mtu": "1400", "guard": "off"})
CHANGE_END = own("SetOptions", EndpointID=END, Options={"guard_allow": "10.9.0.77,02:00:00:00:00:77"})
GROUP = own("SetOptions", EndpointID=END, Options={"group": "app", "from": "app tcp/80"})
RESET, RESET_END = own("ResetOptions"), own("ResetOptions", EndpointID=END)
MORE_PORTS = [{"Proto": 6, "Port": 81, "HostPort": 8081, "HostPortEnd": 8081}]
PUBLISH = own("PublishPorts", EndpointID=END, Ports=MORE_PORTS)
UNPUBLISH = own("UnpublishPorts", EndpointID=END, Ports=[{"Proto": proto, "Port": 8080} for proto in (6, 17)])
RESERVE = own("ReserveAddress", Name="web", Address="10.9.0.50")
UNRESERVE = own("UnreserveAddress", Name="web")
OWN_POOL = {**pool_data("10.9.0.0/24", f"{GATEWAY}/24"), "AddressSpace": "pynet-local"}
FIXED = (pool("10.9.0.0/24"), replace(network(), body={**network().body, "IPv4Data": [OWN_POOL]}))
BLUE = overlay()
BLUE_JOINED = (BLUE, endpoint(), join())
BLUE_PUBLISHED = (*BLUE_JOINED, program(8080))
SHARED = pool("10.40.0.0/30", NAME)  # so small that there is one address to choose
SHARED_POOLED = (SHARED, address(gateway=True, of_pool=THE_POOL))
SHARED_RELEASE = Call(f"{IPAM}ReleasePool", {"PoolID": THE_POOL})
SHARED_HELD = (*SHARED_POOLED, address(of_pool=THE_POOL))


OVERLAY = (
    Scenario("CreateNetwork, the first host", (), BLUE, shared=ALONE),
    Scenario("CreateNetwork", (), BLUE),
    Scenario("CreateEndpoint", (BLUE,), endpoint()),
    Scenario("Join", (BLUE, endpoint()), join(), (LEAVE, DELETE)),
    Scenario("Program", BLUE_JOINED, program(8080), (LEAVE, LEAVE, DELETE)),
    Scenario("Leave with ports", BLUE_PUBLISHED, LEAVE, (DELETE,)),
    Scenario("DeleteEndpoint", (*BLUE_JOINED, LEAVE), DELETE),
    Scenario("SetOptions of a group", BLUE_JOINED, GROUP, (GROUP, RESET_END)),
    Scenario("DeleteNetwork, the last host", (BLUE,), REMOVE, shared=ALONE),
    Scenario("DeleteNetwork with endpoints and ports", BLUE_PUBLISHED, REMOVE),
    Scenario("RequestPool", (), SHARED, shared=ALONE),
    Scenario("RequestAddress, gateway", (SHARED,), SHARED_POOLED[1], (SHARED_RELEASE,), shared=ALONE),
    Scenario("RequestAddress", SHARED_POOLED, address(of_pool=THE_POOL), shared=ALONE),
    Scenario("ReleaseAddress", SHARED_HELD, release("10.40.0.2", THE_POOL), shared=ALONE),
    Scenario("ReleasePool", SHARED_HELD, SHARED_RELEASE, shared=ALONE),
    Scenario("deferred deletion of a network", BLUE_PUBLISHED, REMOVE, where=REAPER),
    Scenario("start", BLUE_PUBLISHED, where=START),
    Scenario("start after a reboot", (BLUE, endpoint(), program(8080)), where=START, reboot=True),
    Scenario("start after a takeover", BLUE_PUBLISHED, where=PEERS, taken=True),
    Scenario("takeover", (overlay(takeover="after 31s"), endpoint(), join()), where=TAKER, mourned=31),
)


PLAIN = overlay(tunnel=DIRECT)
PLAIN_JOINED = (PLAIN, endpoint(), join())
ROUTED = (
    Scenario("CreateNetwork", (), PLAIN),
    Scenario("DeleteNetwork with endpoints", PLAIN_JOINED, REMOVE),
    Scenario("start", PLAIN_JOINED, where=START),
    Scenario("start after a reboot", (PLAIN, endpoint()), where=START, reboot=True),
)


def _on_overlay(scenario: Scenario, kind: str = "overlay", tunnel: str = VXLAN) -> Scenario:
    shared = scenario.shared or WITH_ANOTHER
    return replace(scenario, name=f"{kind}: {scenario.name}", setup=UNDERLAY, shared=shared, tunnel=tunnel)


LIMIT = own("SetOptions", EndpointID=END, Options={"rate_in": "off", "rate_out": "5mbit"})
LIMIT_ALL = own("SetOptions", Options={"rate_in": "10mbit", "rate_out": "20mbit"})
LIMITED = of_mode("bridge", network(), rate_in="10mbit", rate_out="20mbit")
LIMITED_JOINED = (LIMITED, endpoint(), join())
LIMITS = (
    Scenario("CreateNetwork", (), LIMITED),
    Scenario("CreateEndpoint", (LIMITED,), endpoint()),
    Scenario("CreateEndpoint of an id just deleted", (LIMITED, endpoint(), DELETE), endpoint()),
    Scenario("DeleteEndpoint", (*LIMITED_JOINED, LEAVE), DELETE),
    Scenario("deferred deletion of a network", LIMITED_JOINED, REMOVE, where=REAPER),
    Scenario("start", LIMITED_JOINED, where=START),
    Scenario("start after a reboot", (LIMITED, endpoint()), where=START, reboot=True),
    Scenario("SetOptions of an endpoint", LIMITED_JOINED, LIMIT, (RESET_END,)),
    Scenario("SetOptions of a network, the first limit", JOINED, LIMIT_ALL, (RESET,)),
    Scenario("ResetOptions", (*JOINED, LIMIT_ALL), RESET, (RESET,)),
)


OPENED = {"from": "tcp/80 @ 10.9.0.0/24", "egress": "deny", "allow_out": "dns:files.example tcp/443, 10.0.0.0/8"}
NARROW = own("SetOptions", EndpointID=END, Options={"from": "none", "allow_out": "any @ 10.9.0.1"})
RULED = of_mode("bridge", network(), **OPENED)
RULED_JOINED = (RULED, endpoint(), join())
POLICIES = (
    Scenario("CreateEndpoint with a policy", (RULED,), endpoint()),
    Scenario("DeleteEndpoint with a policy", (*RULED_JOINED, LEAVE), DELETE),
    Scenario("start with a policy after a reboot", (RULED, endpoint()), where=START, reboot=True),
    Scenario("SetOptions with a policy", RULED_JOINED, NARROW, (NARROW, RESET_END)),
    Scenario("ResetOptions with a policy", (*RULED_JOINED, NARROW), RESET_END, (RESET_END,)),
)


TOY = toy()
TOY_JOINED = (TOY, endpoint(), join())
TOYS = (
    Scenario("CreateNetwork", (), TOY),
    Scenario("CreateEndpoint", (TOY,), endpoint()),
    Scenario("DeleteEndpoint", (*TOY_JOINED, LEAVE), DELETE),
    Scenario("DeleteNetwork with an endpoint", TOY_JOINED, REMOVE),
    Scenario("deferred deletion of a network", TOY_JOINED, REMOVE, where=REAPER),
    Scenario("start", TOY_JOINED, where=START),
    Scenario("start after a reboot", (TOY, endpoint()), where=START, reboot=True),
)


SCENARIOS = (
    Scenario("CreateNetwork, the first", (), DUAL),
    Scenario("CreateNetwork, another", (network(OTHER, 8),), DUAL),
    Scenario("CreateNetwork, internal", (), network(internal=True)),
    Scenario("CreateNetwork on a bridge of the host's", (), OWN, setup=MAKE_BRIDGE),
    Scenario("CreateNetwork of an id just deleted", (network(OTHER, 8), DUAL, REMOVE), DUAL),
    Scenario("CreateEndpoint", (DUAL,), DUAL_END),
    Scenario("CreateEndpoint without icc", (CLOSED,), endpoint()),
    Scenario("CreateEndpoint of an id just deleted", (DUAL, DUAL_END, DELETE), DUAL_END),
    Scenario("Join", (DUAL, DUAL_END), join(), (LEAVE, DELETE)),
    Scenario("Program", JOINED, program(8080), (LEAVE, LEAVE, DELETE)),
    Scenario("Program again, other ports", PUBLISHED, program(8080, 8081), (LEAVE, LEAVE, DELETE)),
    Scenario("Program again, fewer ports", (*JOINED, program(8080, 8081)), program(8081), (LEAVE, LEAVE, DELETE)),
    Scenario("Revoke", PUBLISHED, REVOKE, (LEAVE, DELETE)),
    Scenario("Leave with ports", PUBLISHED, LEAVE, (DELETE,)),
    Scenario("DeleteEndpoint", (*JOINED, LEAVE), DELETE),
    Scenario("DeleteEndpoint with ports", PUBLISHED, DELETE),
    Scenario("DeleteNetwork, the last", (DUAL,), REMOVE),
    Scenario("DeleteNetwork, one of two", (network(OTHER, 8), DUAL), REMOVE),
    Scenario("DeleteNetwork with endpoints and ports", PUBLISHED, REMOVE),
    Scenario("DeleteNetwork on a bridge of the host's", (OWN,), REMOVE, setup=MAKE_BRIDGE),
    Scenario("RequestPool, any", (), pool()),
    Scenario("RequestPool, given", (), pool("10.40.0.0/24")),
    Scenario("RequestAddress, gateway", (pool("10.40.0.0/24"),), address(gateway=True)),
    Scenario("RequestAddress, any", POOLED, address()),
    Scenario("RequestAddress, given", POOLED, address("10.40.0.9")),
    Scenario("ReleaseAddress", (*POOLED, address("10.40.0.9")), RELEASE),
    Scenario("ReleasePool", (*POOLED, address("10.40.0.9")), Call(f"{IPAM}ReleasePool", {"PoolID": POOL})),
    Scenario("SetOptions of a network", PUBLISHED, CHANGE, (RESET,)),
    Scenario("SetOptions of an endpoint", PUBLISHED, CHANGE_END, (RESET_END,)),
    Scenario("ResetOptions", (*PUBLISHED, CHANGE, CHANGE_END), RESET, (RESET,)),
    Scenario("PublishPorts", PUBLISHED, PUBLISH, (RESET_END,)),
    Scenario("UnpublishPorts", PUBLISHED, UNPUBLISH, (RESET_END,)),
    Scenario("ResetOptions with ports", (*PUBLISHED, PUBLISH, UNPUBLISH), RESET_END, (RESET_END,)),
    Scenario("ReserveAddress", FIXED, RESERVE, (RESERVE, UNRESERVE)),
    Scenario("deferred deletion of an endpoint", (*JOINED, LEAVE), DELETE, where=REAPER),
    Scenario("deferred deletion of a network", PUBLISHED, REMOVE, where=REAPER),
    Scenario("the tables after the last network", (DUAL,), REMOVE, where=RULES),
    Scenario("start", PUBLISHED, where=START),
    Scenario("start after a reboot", (network(OTHER, 8), DUAL, DUAL_END, program(8080)), where=START, reboot=True),
    Scenario("start on a bridge of the host's", (OWN, endpoint(), join()), where=START, setup=MAKE_BRIDGE),
    Scenario("start with deletions left", (*PUBLISHED, LEAVE, DELETE, REMOVE), where=START),
    *(_on_overlay(scenario) for scenario in OVERLAY),
    *(_on_overlay(scenario, "routed", DIRECT) for scenario in ROUTED),
    *(replace(scenario, name=f"limits: {scenario.name}") for scenario in LIMITS),
    *POLICIES,
    *(replace(scenario, name=f"toy: {scenario.name}", gateway="") for scenario in TOYS),
)
