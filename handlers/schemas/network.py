"""Requests of the NetworkDriver protocol (moby daemon/libnetwork/drivers/remote/api/api.go)."""

from collections.abc import Mapping
from typing import Any

from handlers.schemas.common import (
    EndpointOptionsSchema,
    InterfaceSchema,
    IpamDataSchema,
    NetworkOptionsSchema,
    Request,
    endpoint_options,
    interface,
    ipam_data,
    network_options,
)
from handlers.schemas.fields import AnyObject, FullText, Identifier, ListOf, Object, TextMap, Whole
from plugin.protocol.messages import (
    AllocateNetwork,
    CreateEndpoint,
    CreateNetwork,
    Discovery,
    EndpointRef,
    GwAllocCheck,
    Join,
    NetworkRef,
    ProgramExternalConnectivity,
)


class NetworkRequest(Request):
    """What every request about a network holds."""

    network_id = Identifier(data_key="NetworkID", required=True, nullable=False)


class EndpointRequest(NetworkRequest):
    """What every request about an endpoint holds."""

    endpoint_id = Identifier(data_key="EndpointID", required=True, nullable=False)


class GwAllocCheckRequest(Request):
    """GwAllocCheck (28.0 and later)."""

    options = Object(NetworkOptionsSchema, data_key="Options")

    def build(self, data: Mapping[str, Any]) -> GwAllocCheck:
        """Build the message."""
        return GwAllocCheck(options=network_options(data.get("options")))


class AllocateNetworkRequest(NetworkRequest):
    """AllocateNetwork; the options are flat here."""

    options = TextMap(data_key="Options")
    ipv4_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv4Data")
    ipv6_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv6Data")

    def build(self, data: Mapping[str, Any]) -> AllocateNetwork:
        """Build the message."""
        return AllocateNetwork(
            network_id=data["network_id"],
            options=data.get("options") or {},
            ipv4_data=ipam_data(data.get("ipv4_data")),
            ipv6_data=ipam_data(data.get("ipv6_data")),
        )


class CreateNetworkRequest(NetworkRequest):
    """CreateNetwork."""

    options = Object(NetworkOptionsSchema, data_key="Options")
    ipv4_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv4Data")
    ipv6_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv6Data")

    def build(self, data: Mapping[str, Any]) -> CreateNetwork:
        """Build the message."""
        return CreateNetwork(
            network_id=data["network_id"],
            options=network_options(data.get("options")),
            ipv4_data=ipam_data(data.get("ipv4_data")),
            ipv6_data=ipam_data(data.get("ipv6_data")),
        )


class NetworkRefRequest(NetworkRequest):
    """DeleteNetwork and FreeNetwork."""

    def build(self, data: Mapping[str, Any]) -> NetworkRef:
        """Build the message."""
        return NetworkRef(network_id=data["network_id"])


class CreateEndpointRequest(EndpointRequest):
    """CreateEndpoint."""

    interface = Object(InterfaceSchema, data_key="Interface")
    options = Object(EndpointOptionsSchema, data_key="Options")

    def build(self, data: Mapping[str, Any]) -> CreateEndpoint:
        """Build the message."""
        return CreateEndpoint(
            network_id=data["network_id"],
            endpoint_id=data["endpoint_id"],
            interface=interface(data.get("interface")),
            options=endpoint_options(data.get("options")),
        )


class EndpointRefRequest(EndpointRequest):
    """DeleteEndpoint, EndpointOperInfo, Leave and RevokeExternalConnectivity."""

    def build(self, data: Mapping[str, Any]) -> EndpointRef:
        """Build the message."""
        return EndpointRef(network_id=data["network_id"], endpoint_id=data["endpoint_id"])


class JoinRequest(EndpointRequest):
    """Join; its options are those of the container."""

    sandbox_key = FullText(data_key="SandboxKey", required=True, nullable=False)
    options = Object(EndpointOptionsSchema, data_key="Options")

    def build(self, data: Mapping[str, Any]) -> Join:
        """Build the message."""
        return Join(
            network_id=data["network_id"],
            endpoint_id=data["endpoint_id"],
            sandbox_key=data["sandbox_key"],
            options=endpoint_options(data.get("options")),
        )


class ProgramExternalConnectivityRequest(EndpointRequest):
    """ProgramExternalConnectivity."""

    options = Object(EndpointOptionsSchema, data_key="Options")

    def build(self, data: Mapping[str, Any]) -> ProgramExternalConnectivity:
        """Build the message."""
        return ProgramExternalConnectivity(
            network_id=data["network_id"],
            endpoint_id=data["endpoint_id"],
            options=endpoint_options(data.get("options")),
        )


class DiscoveryRequest(Request):
    """DiscoverNew and DiscoverDelete."""

    discovery_type = Whole(data_key="DiscoveryType", required=True, nullable=False)
    data = AnyObject(data_key="DiscoveryData")

    def build(self, data: Mapping[str, Any]) -> Discovery:
        """Build the message."""
        return Discovery(discovery_type=data["discovery_type"], data=data.get("data") or {})
