"""What all request schemas share, and the pieces that several messages hold."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from marshmallow import EXCLUDE, Schema, post_dump, pre_load

from handlers.schemas.fields import (
    AddressWithPrefix,
    AnyObject,
    AuxiliaryAddresses,
    Flag,
    HostAddress,
    ListOf,
    MacBase64,
    MacText,
    Port,
    PortList,
    Protocol,
    SubnetText,
    Text,
    TextMap,
    Wire,
    present,
)
from plugin.protocol.messages import EndpointOptions, Interface, IpamData, NetworkOptions, PortBinding, TransportPort

GENERIC = "com.docker.network.generic"


class Message(Schema):
    """An object on the wire; keys that a newer engine added are ignored (28.0 added several)."""

    class Meta:
        """marshmallow's settings."""

        unknown = EXCLUDE


class Request(Message):
    """A whole request: ``load`` gives a dict in which absent keys are absent, ``build`` the frozen value of it."""

    def build(self, data: Mapping[str, Any]) -> object:
        """Turn what ``load`` returned into the value of ``plugin.protocol.messages``."""
        raise NotImplementedError


# --- addresses ---------------------------------------------------------------------------------


class IpamDataSchema(Message):
    """One subnet of a network (moby daemon/libnetwork/driverapi/ipamdata.go)."""

    address_space = Text(data_key="AddressSpace")
    pool = SubnetText(data_key="Pool", required=True, nullable=False)
    gateway = AddressWithPrefix(data_key="Gateway")
    aux_addresses = AuxiliaryAddresses(data_key="AuxAddresses")


def ipam_data(rows: list[dict[str, Any]] | None) -> tuple[IpamData, ...]:
    """Build the subnets of a network."""
    return tuple(IpamData(**present(row)) for row in rows or ())


class InterfaceSchema(Message):
    """Addresses of an endpoint, each "" where the engine has none."""

    address = AddressWithPrefix(data_key="Address")
    address_ipv6 = AddressWithPrefix(data_key="AddressIPv6")
    mac_address = MacText(data_key="MacAddress")


def interface(row: dict[str, Any] | None) -> Interface:
    """Build the addresses of an endpoint; the MAC is lower case from here on, as the kernel prints it."""
    values = present(row or {})
    if "mac_address" in values:
        values["mac_address"] = values["mac_address"].lower()
    return Interface(**values)


# --- options -----------------------------------------------------------------------------------


class NetworkOptionsSchema(Message):
    """``Options`` of CreateNetwork and GwAllocCheck."""

    generic = TextMap(data_key=GENERIC)
    enable_ipv4 = Flag(data_key="com.docker.network.enable_ipv4")
    enable_ipv6 = Flag(data_key="com.docker.network.enable_ipv6")
    internal = Flag(data_key="com.docker.network.internal")


def network_options(row: dict[str, Any] | None) -> NetworkOptions:
    """Build the options of a network; ``enable_ipv4`` is true where the engine is too old to say."""
    return NetworkOptions(**present(row or {}))


# A port of a container; and where the user wants it on the host (moby daemon/libnetwork/types/types.go).
PORT_KEYS: dict[str, tuple[str, Wire]] = {
    "Proto": ("proto", Protocol(required=True, nullable=False)),
    "Port": ("port", Port(required=True, nullable=False)),
}
BINDING_KEYS: dict[str, tuple[str, Wire]] = PORT_KEYS | {
    "IP": ("ip", HostAddress()),
    "HostIP": ("host_ip", HostAddress()),
    "HostPort": ("host_port", Port()),
    "HostPortEnd": ("host_port_end", Port()),
}


class EndpointOptionsSchema(Message):
    """``Options`` of CreateEndpoint, Join and ProgramExternalConnectivity.

    Every text that is not a key of the engine is an option of the user (``--driver-opt``). 20.10 puts lists of legacy
    links under the generic key; nothing reads them, and a network driver has no use for the DNS servers either.
    """

    port_map = PortList(BINDING_KEYS, data_key="com.docker.network.portmap")
    exposed_ports = PortList(PORT_KEYS, data_key="com.docker.network.endpoint.exposedports")
    mac_bytes = MacBase64(data_key="com.docker.network.endpoint.macaddress")
    dns_servers = ListOf(Text(nullable=False), data_key="com.docker.network.endpoint.dnsservers")
    legacy_links = AnyObject(data_key=GENERIC)
    no_proxy_6to4 = Flag(data_key="com.docker.network.driver.private.no_proxy_6to4")
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


def endpoint_options(row: dict[str, Any] | None) -> EndpointOptions:
    """Build the options of an endpoint from what ``EndpointOptionsSchema`` loaded."""
    values = present(row or {})
    return EndpointOptions(
        port_map=tuple([_binding(*map(port.get, _BINDING)) for port in values.get("port_map", ())]),
        exposed_ports=tuple([_port(port["proto"], port["port"]) for port in values.get("exposed_ports", ())]),
        driver_opts=values.get("driver_opts", {}),
        no_proxy_6to4=values.get("no_proxy_6to4", False),
    )


@lru_cache(maxsize=2048)
def _binding(*values: Any) -> PortBinding:
    """Return the value for a port that was read, the same in each of the three requests that carry it."""
    return PortBinding(**present(dict(zip(_BINDING, values, strict=True))))


_port = lru_cache(maxsize=2048)(TransportPort)
_BINDING = tuple(name for name, _ in BINDING_KEYS.values())
