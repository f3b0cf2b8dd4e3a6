"""Requests of the NetworkDriver protocol (moby daemon/libnetwork/drivers/remote/api/api.go)."""

from handlers.schemas.common import EndpointOptionsSchema, InterfaceSchema, IpamDataSchema, NetworkOptionsSchema
from handlers.schemas.fields import FullText, Identifier, Whole
from handlers.schemas.objects import AnyObject, ListOf, Message, Object, TextMap
from plugin.protocol import messages as m


class NetworkRequest(Message):
    """Base of all requests about a network."""

    network_id = Identifier(data_key="NetworkID", required=True, nullable=False)


class EndpointRequest(NetworkRequest):
    """Base of all requests about an endpoint."""

    endpoint_id = Identifier(data_key="EndpointID", required=True, nullable=False)


class GwAllocCheckRequest(Message):
    """GwAllocCheck (28.0 and later)."""

    message = m.GwAllocCheck
    options = Object(NetworkOptionsSchema, data_key="Options")


class AllocateNetworkRequest(NetworkRequest):
    """AllocateNetwork; the options are flat here."""

    message = m.AllocateNetwork
    options = TextMap(data_key="Options")
    ipv4_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv4Data")
    ipv6_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv6Data")


class CreateNetworkRequest(NetworkRequest):
    message = m.CreateNetwork
    options = Object(NetworkOptionsSchema, data_key="Options")
    ipv4_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv4Data")
    ipv6_data = ListOf(Object(IpamDataSchema, nullable=False), data_key="IPv6Data")


class NetworkRefRequest(NetworkRequest):
    """DeleteNetwork and FreeNetwork."""

    message = m.NetworkRef


class CreateEndpointRequest(EndpointRequest):
    message = m.CreateEndpoint
    interface = Object(InterfaceSchema, data_key="Interface")
    options = Object(EndpointOptionsSchema, data_key="Options")


class EndpointRefRequest(EndpointRequest):
    """DeleteEndpoint, EndpointOperInfo, Leave and RevokeExternalConnectivity."""

    message = m.EndpointRef


class JoinRequest(EndpointRequest):
    """Join; it has the options of the container."""

    message = m.Join
    sandbox_key = FullText(data_key="SandboxKey", required=True, nullable=False)
    options = Object(EndpointOptionsSchema, data_key="Options")


class ProgramExternalConnectivityRequest(EndpointRequest):
    message = m.ProgramExternalConnectivity
    options = Object(EndpointOptionsSchema, data_key="Options")


class DiscoveryRequest(Message):
    """DiscoverNew and DiscoverDelete."""

    message = m.Discovery
    discovery_type = Whole(data_key="DiscoveryType", required=True, nullable=False)
    data = AnyObject(data_key="DiscoveryData")
