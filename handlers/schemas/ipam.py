"""Requests of the IpamDriver protocol (moby daemon/libnetwork/ipams/remote/api/api.go)."""

from collections.abc import Mapping
from typing import Any

from handlers.schemas.common import Request
from handlers.schemas.fields import AddressText, Flag, FullText, SubnetText, Text, TextMap, present
from plugin.protocol.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool


class RequestPoolRequest(Request):
    """RequestPool; the address space is "" where an older engine could not learn its name."""

    address_space = Text(data_key="AddressSpace", required=True, nullable=False)
    pool = SubnetText(data_key="Pool")
    sub_pool = SubnetText(data_key="SubPool")
    options = TextMap(data_key="Options")
    v6 = Flag(data_key="V6")

    def build(self, data: Mapping[str, Any]) -> RequestPool:
        """Build the message."""
        return RequestPool(**{"address_space": "", **present(data)})


class ReleasePoolRequest(Request):
    """ReleasePool."""

    pool_id = FullText(data_key="PoolID", required=True, nullable=False)

    def build(self, data: Mapping[str, Any]) -> ReleasePool:
        """Build the message."""
        return ReleasePool(pool_id=data["pool_id"])


class RequestAddressRequest(Request):
    """RequestAddress."""

    pool_id = FullText(data_key="PoolID", required=True, nullable=False)
    address = AddressText(data_key="Address")
    options = TextMap(data_key="Options")

    def build(self, data: Mapping[str, Any]) -> RequestAddress:
        """Build the message."""
        return RequestAddress(**present(data))


class ReleaseAddressRequest(Request):
    """ReleaseAddress."""

    pool_id = FullText(data_key="PoolID", required=True, nullable=False)
    address = AddressText(data_key="Address")

    def build(self, data: Mapping[str, Any]) -> ReleaseAddress:
        """Build the message."""
        return ReleaseAddress(**present(data))
