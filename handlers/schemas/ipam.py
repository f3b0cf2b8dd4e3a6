"""Requests of the IpamDriver protocol (moby daemon/libnetwork/ipams/remote/api/api.go)."""

from handlers.schemas.fields import AddressText, Flag, FullText, SubnetText, Text
from handlers.schemas.objects import Message, TextMap
from plugin.protocol.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool


class RequestPoolRequest(Message):
    """RequestPool; the address space is "" where an older engine could not learn its name."""

    message = RequestPool
    address_space = Text(data_key="AddressSpace", required=True, nullable=False)
    pool = SubnetText(data_key="Pool")
    sub_pool = SubnetText(data_key="SubPool")
    options = TextMap(data_key="Options")
    v6 = Flag(data_key="V6")


class ReleasePoolRequest(Message):
    message = ReleasePool
    pool_id = FullText(data_key="PoolID", required=True, nullable=False)


class RequestAddressRequest(Message):
    message = RequestAddress
    pool_id = FullText(data_key="PoolID", required=True, nullable=False)
    address = AddressText(data_key="Address")
    options = TextMap(data_key="Options")


class ReleaseAddressRequest(Message):
    message = ReleaseAddress
    pool_id = FullText(data_key="PoolID", required=True, nullable=False)
    address = AddressText(data_key="Address")
