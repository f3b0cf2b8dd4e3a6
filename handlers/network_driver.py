"""The table of the NetworkDriver protocol."""

from handlers.schemas import network as requests
from handlers.schemas import replies
from handlers.verbs import Verb
from plugin.protocol.api import NetworkDriver

NETWORK_VERBS = {
    "GetCapabilities": Verb(None, NetworkDriver.get_capabilities, replies.CapabilitiesReply, quiet=True),
    "GwAllocCheck": Verb(
        requests.GwAllocCheckRequest, NetworkDriver.gw_alloc_check, replies.GwAllocCheckReply, quiet=True
    ),
    "AllocateNetwork": Verb(
        requests.AllocateNetworkRequest, NetworkDriver.allocate_network, replies.AllocateNetworkReply
    ),
    "FreeNetwork": Verb(requests.NetworkRefRequest, NetworkDriver.free_network),
    "CreateNetwork": Verb(requests.CreateNetworkRequest, NetworkDriver.create_network),
    "DeleteNetwork": Verb(requests.NetworkRefRequest, NetworkDriver.delete_network),
    "CreateEndpoint": Verb(requests.CreateEndpointRequest, NetworkDriver.create_endpoint, replies.EndpointReply),
    "DeleteEndpoint": Verb(requests.EndpointRefRequest, NetworkDriver.delete_endpoint),
    "EndpointOperInfo": Verb(
        requests.EndpointRefRequest, NetworkDriver.endpoint_oper_info, replies.OperInfoReply, quiet=True
    ),
    "Join": Verb(requests.JoinRequest, NetworkDriver.join, replies.JoinReplySchema),
    "Leave": Verb(requests.EndpointRefRequest, NetworkDriver.leave),
    "ProgramExternalConnectivity": Verb(
        requests.ProgramExternalConnectivityRequest, NetworkDriver.program_external_connectivity
    ),
    "RevokeExternalConnectivity": Verb(requests.EndpointRefRequest, NetworkDriver.revoke_external_connectivity),
    "DiscoverNew": Verb(requests.DiscoveryRequest, NetworkDriver.discover_new, quiet=True),
    "DiscoverDelete": Verb(requests.DiscoveryRequest, NetworkDriver.discover_delete, quiet=True),
}
