"""Scenarios of networks on a LAN: in a bridge of the host's, upon a parent, with DHCP, and with a way to the host."""

from dataclasses import replace

from tests.torture.dhcp_server import MOVED_TO, MOVES
from tests.torture.engine import Call
from tests.torture.scenarios import (
    ADOPTED,
    DELETE,
    END,
    LEAVE,
    MAKE_BRIDGE,
    REMOVE,
    RESET,
    START,
    Scenario,
    endpoint,
    join,
    network,
    of_mode,
    own,
    pool_data,
)

PARENT = "lan0"
MAKE_PARENT = (
    f"ip link add {PARENT} address 02:00:00:00:00:12 type veth peer name lan1 address 02:00:00:00:00:13; "
    f"ip link set lan1 up; ip link set {PARENT} up"
)
REACHED_AT = "10.9.0.200"
MAKE_REACHED = f"{MAKE_PARENT}; ip addr add {REACHED_AT}/24 dev {PARENT}"


def upon(mode: str, link: str = "", **options: str) -> Call:
    """CreateNetwork of a mode whose containers are upon a link of the host or, without one, upon one of pynet's."""
    call = of_mode(mode, network(), **options)
    call.body["Options"]["com.docker.network.generic"]["parent"] = link
    return call


def leased(call: Call) -> Call:
    """Return CreateNetwork of the same network with addresses by DHCP."""
    generic = {**call.body["Options"]["com.docker.network.generic"], "pynet.dhcp": "on"}
    anywhere = [pool_data("0.0.0.0/0", "0.0.0.0/0")]
    return replace(call, body={**call.body, "Options": {"com.docker.network.generic": generic}, "IPv4Data": anywhere})


def web(name: str = "web") -> Call:
    """CreateEndpoint of a container that a server knows by its name, "" for one that has none."""
    return endpoint(address="", options={"pynet.hostname": name} if name else {})


GUESTS = upon("lan", ADOPTED, rate_out="10mbit")
GUESTS_JOINED = (GUESTS, endpoint(), join())
LANS = (
    Scenario("CreateNetwork", (), GUESTS),
    Scenario("CreateEndpoint", (GUESTS,), endpoint()),
    Scenario("DeleteEndpoint", (*GUESTS_JOINED, LEAVE), DELETE),
    Scenario("DeleteNetwork with an endpoint", GUESTS_JOINED, REMOVE),
    Scenario("start", GUESTS_JOINED, where=START),
    Scenario("start after a reboot", (GUESTS, endpoint()), where=START, reboot=True),
)


UPON, WITHOUT = upon("macvlan", PARENT), upon("macvlan")
UPON_JOINED = (UPON, endpoint(), join())
UPON_LEASED = leased(UPON)
MACVLANS = (
    Scenario("CreateNetwork", (), UPON),
    Scenario("CreateNetwork without a parent", (), WITHOUT),
    Scenario("CreateEndpoint", (UPON,), endpoint()),
    Scenario("DeleteEndpoint", (*UPON_JOINED, LEAVE), DELETE),
    Scenario("DeleteNetwork without a parent", (WITHOUT, endpoint()), REMOVE),
    Scenario("DeleteNetwork with an endpoint", (UPON, endpoint()), REMOVE),
    Scenario("start", UPON_JOINED, where=START),
    Scenario("CreateEndpoint with a lease", (UPON_LEASED,), web()),
    Scenario("DeleteEndpoint with a lease", (UPON_LEASED, web(), join(), LEAVE), DELETE),
    Scenario("start with a lease", (UPON_LEASED, web(), join()), where=START),
)


SHARING = upon("ipvlan", PARENT)  # containers have the parent's MAC, and a server tells them apart by a client id
SHARING_LEASED = leased(SHARING)
IPVLANS = (
    Scenario("CreateEndpoint", (SHARING,), endpoint()),
    Scenario("CreateEndpoint with a lease", (SHARING_LEASED,), web("")),
    Scenario("DeleteEndpoint with a lease", (SHARING_LEASED, web(""), join(), LEAVE), DELETE),
    Scenario("start with a lease", (SHARING_LEASED, web(""), join()), where=START),
)


LEASED = leased(of_mode("leased", network()))
LEASED_JOINED = (LEASED, web(), join())
TAKE = own("TakeLease", EndpointID=END)  # pynet endpoint renew
LEASES = (
    Scenario("CreateEndpoint", (LEASED,), web()),
    Scenario("CreateEndpoint without a name", (LEASED,), web("")),
    Scenario("DeleteEndpoint", (*LEASED_JOINED, LEAVE), DELETE),
    Scenario("DeleteNetwork with an endpoint", LEASED_JOINED, REMOVE),
    Scenario("TakeLease", (LEASED, web(MOVES), join()), TAKE, (TAKE,), ready=f'"{MOVED_TO}/24"'),
    Scenario("start", LEASED_JOINED, where=START),
    Scenario("start after a reboot", (LEASED, web()), where=START, reboot=True),
)


REACHED = upon("macvlan", PARENT, host_access="on")
REACHED_JOINED = (REACHED, endpoint(), join())
NO_ACCESS = own("SetOptions", Options={"host_access": "off"})
HOST_ACCESS = (  # containers reach the host by its own address
    Scenario("CreateEndpoint", (REACHED,), endpoint()),
    Scenario("DeleteEndpoint", (*REACHED_JOINED, LEAVE), DELETE),
    Scenario("SetOptions", (*REACHED_JOINED, NO_ACCESS), RESET, (RESET,)),
    Scenario("start", REACHED_JOINED, where=START),
)


ON_LAN = (
    *(replace(each, name=f"host access: {each.name}", gateway=REACHED_AT, setup=MAKE_REACHED) for each in HOST_ACCESS),
    *(replace(each, name=f"macvlan: {each.name}", gateway="", setup=MAKE_PARENT) for each in MACVLANS),
    *(replace(each, name=f"ipvlan: {each.name}", gateway="", setup=MAKE_PARENT, kind="ipvlan") for each in IPVLANS),
    *(replace(each, name=f"leased: {each.name}", gateway="") for each in LEASES),
    *(replace(each, name=f"lan: {each.name}", setup=MAKE_BRIDGE) for each in LANS),
)
