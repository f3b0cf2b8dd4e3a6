"""Requests as the engine sends them, with everything a test does not care about filled in."""

from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from plugin.protocol.messages import (
    CreateEndpoint,
    CreateNetwork,
    EndpointOptions,
    EndpointRef,
    Interface,
    IpamData,
    Join,
    NetworkOptions,
    NetworkRef,
    PortBinding,
    ProgramExternalConnectivity,
)

NETWORK_ID, OTHER_ID = "a1" * 32, "b2" * 32
ENDPOINT_ID = "e0" * 32


def ipam(gateway: str) -> IpamData:
    """Return the data of the subnet that ``gateway`` (an address with a length) lies in."""
    address = ip_interface(gateway)
    return IpamData(pool=address.network, gateway=address)


def network(
    network_id: str = NETWORK_ID,
    *gateways: str,
    internal: bool = False,
    options: dict[str, str] | None = None,
) -> CreateNetwork:
    """Return a request for a network with the subnets of ``gateways``, 10.9.0.1/24 by default."""
    data = [ipam(gateway) for gateway in gateways or ("10.9.0.1/24",)]
    return CreateNetwork(
        network_id=network_id,
        options=NetworkOptions(generic=options or {}, internal=internal),
        ipv4_data=tuple(item for item in data if item.pool.version == 4),
        ipv6_data=tuple(item for item in data if item.pool.version == 6),
    )


def endpoint(
    address: str | None = "10.9.0.2/24",
    address_ipv6: str | None = None,
    mac: str | None = None,
    driver_opts: dict[str, str] | None = None,
) -> CreateEndpoint:
    """Return a request for an endpoint of the network above."""
    interface = Interface(
        address=IPv4Interface(address) if address else None,
        address_ipv6=IPv6Interface(address_ipv6) if address_ipv6 else None,
        mac_address=mac,
    )
    return CreateEndpoint(NETWORK_ID, ENDPOINT_ID, interface, EndpointOptions(driver_opts=driver_opts or {}))


def join() -> Join:
    """Return the request that puts the endpoint into a sandbox."""
    return Join(NETWORK_ID, ENDPOINT_ID, "/var/run/docker/netns/0123456789ab")


def program(*ports: int | str, proto: int = 6) -> ProgramExternalConnectivity:
    """Return the request to publish port 80 of the endpoint; "192.0.2.1:8080" names an address, 0 is any port."""
    bindings = []
    for port in ports:
        address, _, number = str(port).rpartition(":")
        bindings.append(PortBinding(proto, 80, host_ip=address.strip("[]"), host_port=int(number)))
    return ProgramExternalConnectivity(NETWORK_ID, ENDPOINT_ID, EndpointOptions(port_map=tuple(bindings)))


NETWORK = NetworkRef(NETWORK_ID)
ENDPOINT = EndpointRef(NETWORK_ID, ENDPOINT_ID)
