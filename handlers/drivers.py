"""The tables of Docker's two driver protocols."""

from handlers.schemas import ipam, network, replies
from handlers.verbs import Verb
from plugin.protocol.api import IpamDriver, NetworkDriver

NETWORK_VERBS = {
    "GetCapabilities": Verb(None, NetworkDriver.get_capabilities, replies.CapabilitiesReply, quiet=True),
    "GwAllocCheck": Verb(
        network.GwAllocCheckRequest, NetworkDriver.gw_alloc_check, replies.GwAllocCheckReply, quiet=True
    ),
    "AllocateNetwork": Verb(
        network.AllocateNetworkRequest, NetworkDriver.allocate_network, replies.AllocateNetworkReply
    ),
    "FreeNetwork": Verb(network.NetworkRefRequest, NetworkDriver.free_network),
    "CreateNetwork": Verb(network.CreateNetworkRequest, NetworkDriver.create_network, event="network created"),
    "DeleteNetwork": Verb(network.NetworkRefRequest, NetworkDriver.delete_network, event="network removed"),
    "CreateEndpoint": Verb(
        network.CreateEndpointRequest, NetworkDriver.create_endpoint, replies.EndpointReply, event="endpoint created"
    ),
    "DeleteEndpoint": Verb(network.EndpointRefRequest, NetworkDriver.delete_endpoint, event="endpoint removed"),
    "EndpointOperInfo": Verb(
        network.EndpointRefRequest, NetworkDriver.endpoint_oper_info, replies.OperInfoReply, quiet=True
    ),
    "Join": Verb(network.JoinRequest, NetworkDriver.join, replies.JoinReplySchema),
    "Leave": Verb(network.EndpointRefRequest, NetworkDriver.leave),
    "ProgramExternalConnectivity": Verb(
        network.ProgramExternalConnectivityRequest, NetworkDriver.program_external_connectivity
    ),
    "RevokeExternalConnectivity": Verb(network.EndpointRefRequest, NetworkDriver.revoke_external_connectivity),
    "DiscoverNew": Verb(network.DiscoveryRequest, NetworkDriver.discover_new, quiet=True),
    "DiscoverDelete": Verb(network.DiscoveryRequest, NetworkDriver.discover_delete, quiet=True),
}

IPAM_VERBS = {
    "GetCapabilities": Verb(None, IpamDriver.get_capabilities, replies.IpamCapabilitiesReply, quiet=True),
    "GetDefaultAddressSpaces": Verb(
        None, IpamDriver.get_default_address_spaces, replies.AddressSpacesReply, quiet=True
    ),
    "RequestPool": Verb(ipam.RequestPoolRequest, IpamDriver.request_pool, replies.RequestPoolReply),
    "ReleasePool": Verb(ipam.ReleasePoolRequest, IpamDriver.release_pool),
    "RequestAddress": Verb(ipam.RequestAddressRequest, IpamDriver.request_address, replies.RequestAddressReply),
    "ReleaseAddress": Verb(ipam.ReleaseAddressRequest, IpamDriver.release_address),
}
