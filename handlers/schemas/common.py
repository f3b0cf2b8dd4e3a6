"""Parts that several requests share."""

from typing import Any

from marshmallow import post_dump, pre_load

from handlers.schemas import fields
from handlers.schemas.objects import AnyObject, AuxiliaryAddresses, ListOf, Message, PortList, TextMap
from plugin.protocol.messages import EndpointOptions, Interface, IpamData, NetworkOptions, PortBinding

GENERIC = "com.docker.network.generic"


class IpamDataSchema(Message):
    """One subnet of a network (moby daemon/libnetwork/driverapi/ipamdata.go)."""

    message = IpamData
    address_space = fields.Text(data_key="AddressSpace")
    pool = fields.SubnetText(data_key="Pool", required=True, nullable=False)
    gateway = fields.AddressWithPrefix(data_key="Gateway")
    aux_addresses = AuxiliaryAddresses(data_key="AuxAddresses")


class InterfaceSchema(Message):
    """Addresses of an endpoint, each "" where the engine has none."""

    message = Interface
    address = fields.AddressWithPrefix(data_key="Address")
    address_ipv6 = fields.AddressWithPrefix(data_key="AddressIPv6")
    mac_address = fields.MacText(data_key="MacAddress")


class NetworkOptionsSchema(Message):
    """``Options`` of CreateNetwork and GwAllocCheck; the subnets tell which families a network has."""

    message = NetworkOptions
    generic = TextMap(data_key=GENERIC)
    enable_ipv4 = fields.Flag(data_key="com.docker.network.enable_ipv4")
    enable_ipv6 = fields.Flag(data_key="com.docker.network.enable_ipv6")
    internal = fields.Flag(data_key="com.docker.network.internal")


# A port of a container; and where the user wants it on the host (moby daemon/libnetwork/types/types.go).
PORT_KEYS: dict[str, tuple[str, fields.Wire]] = {
    "Proto": ("proto", fields.Protocol(required=True, nullable=False)),
    "Port": ("port", fields.Port(required=True, nullable=False)),
}
BINDING_KEYS: dict[str, tuple[str, fields.Wire]] = PORT_KEYS | {
    "IP": ("ip", fields.HostAddress()),
    "HostIP": ("host_ip", fields.HostAddress()),
    "HostPort": ("host_port", fields.Port()),
    "HostPortEnd": ("host_port_end", fields.Port()),
}


class EndpointOptionsSchema(Message):
    """``Options`` of CreateEndpoint, Join and ProgramExternalConnectivity.

    Every text that is not a key of the engine is an option of the user (``--driver-opt``). 20.10 puts lists of legacy
    links under the generic key; nothing reads them, and a network driver has no use for the DNS servers either.
    """

    message = EndpointOptions
    port_map = PortList(BINDING_KEYS, data_key="com.docker.network.portmap", message=PortBinding)
    exposed_ports = PortList(PORT_KEYS, data_key="com.docker.network.endpoint.exposedports")
    mac_bytes = fields.MacBase64(data_key="com.docker.network.endpoint.macaddress")
    dns_servers = ListOf(fields.Text(nullable=False), data_key="com.docker.network.endpoint.dnsservers")
    legacy_links = AnyObject(data_key=GENERIC)
    no_proxy_6to4 = fields.Flag(data_key="com.docker.network.driver.private.no_proxy_6to4")
    driver_opts = TextMap(data_key="")

    @pre_load
    def gather_driver_opts(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Put the user's options under one key of their own, "", which is no legal option."""
        known = {field.data_key for field in self.fields.values() if field.data_key}
        user = {key: value for key, value in data.items() if key not in known and type(value) is str}
        return {key: value for key, value in data.items() if key in known} | ({"": user} if user else {})

    @post_dump
    def spread_driver_opts(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Undo ``gather_driver_opts``."""
        user: dict[str, Any] = data.pop("", {})
        return data | user
