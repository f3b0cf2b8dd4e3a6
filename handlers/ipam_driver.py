"""The table of the IpamDriver protocol."""

from handlers.schemas import ipam as requests
from handlers.schemas import replies
from handlers.verbs import Verb
from plugin.protocol.api import IpamDriver

IPAM_VERBS = {
    "GetCapabilities": Verb(None, IpamDriver.get_capabilities, replies.IpamCapabilitiesReply, quiet=True),
    "GetDefaultAddressSpaces": Verb(
        None, IpamDriver.get_default_address_spaces, replies.AddressSpacesReply, quiet=True
    ),
    "RequestPool": Verb(requests.RequestPoolRequest, IpamDriver.request_pool, replies.RequestPoolReply),
    "ReleasePool": Verb(requests.ReleasePoolRequest, IpamDriver.release_pool),
    "RequestAddress": Verb(requests.RequestAddressRequest, IpamDriver.request_address, replies.RequestAddressReply),
    "ReleaseAddress": Verb(requests.ReleaseAddressRequest, IpamDriver.release_address),
}
