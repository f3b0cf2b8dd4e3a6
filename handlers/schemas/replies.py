"""Replies of both protocols and of pynet's own verbs, written from the values of ``plugin.protocol.messages``."""

from typing import Any

from marshmallow import Schema, fields, post_dump


class Shown(fields.Field[Any]):
    """A text, address or subnet; nothing is the empty text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:  # noqa: ARG002 - marshmallow's
        return "" if value is None else str(value)


class CapabilitiesReply(Schema):
    scope = fields.String(data_key="Scope")
    connectivity_scope = fields.String(data_key="ConnectivityScope")
    gw_alloc_checker = fields.Boolean(data_key="GwAllocChecker")


class GwAllocCheckReply(Schema):
    skip_ipv4 = fields.Boolean(data_key="SkipIPv4")
    skip_ipv6 = fields.Boolean(data_key="SkipIPv6")


class AllocateNetworkReply(Schema):
    options = fields.Dict(data_key="Options")


class InterfaceReply(Schema):
    """Dumps only keys that are set, as an empty echo is noise to the reader of a trace."""

    address = Shown(data_key="Address")
    address_ipv6 = Shown(data_key="AddressIPv6")
    mac_address = Shown(data_key="MacAddress")

    @post_dump
    def leave_out_unset(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Drop empty texts."""
        return {key: value for key, value in data.items() if value}


class EndpointReply(Schema):
    interface = fields.Nested(InterfaceReply, data_key="Interface")


class OperInfoReply(Schema):
    value = fields.Dict(data_key="Value")


class StaticRouteReply(Schema):
    """A route; type 0 has a next hop, type 1 is on the link (moby daemon/libnetwork/types, NEXTHOP and CONNECTED)."""

    destination = Shown(data_key="Destination")
    route_type = fields.Function(lambda route: 0 if route.next_hop else 1, data_key="RouteType")
    next_hop = Shown(data_key="NextHop")


class JoinReplySchema(Schema):
    """Join; the gateways are addresses without a prefix length."""

    interface_name = fields.Function(
        lambda reply: {"SrcName": reply.src_name, "DstPrefix": reply.dst_prefix}, data_key="InterfaceName"
    )
    gateway = Shown(data_key="Gateway")
    gateway_ipv6 = Shown(data_key="GatewayIPv6")
    static_routes = fields.List(fields.Nested(StaticRouteReply), data_key="StaticRoutes")
    disable_gateway_service = fields.Boolean(data_key="DisableGatewayService")


class IpamCapabilitiesReply(Schema):
    requires_mac_address = fields.Boolean(data_key="RequiresMACAddress")
    requires_request_replay = fields.Boolean(data_key="RequiresRequestReplay")


class AddressSpacesReply(Schema):
    local = fields.String(data_key="LocalDefaultAddressSpace")
    global_ = fields.String(data_key="GlobalDefaultAddressSpace")


class RequestPoolReply(Schema):
    pool_id = fields.String(data_key="PoolID")
    pool = Shown(data_key="Pool")
    data = fields.Dict(data_key="Data")


class RequestAddressReply(Schema):
    address = Shown(data_key="Address")
    data = fields.Dict(data_key="Data")


class RepairReply(Schema):
    """Something that was out of line."""

    kind = fields.String(data_key="Kind")
    sentence = fields.String(data_key="Sentence")
    error = fields.String(data_key="Error")


class ReconcileReply(Schema):
    repairs = fields.Function(lambda repairs: RepairReply(many=True).dump(repairs), data_key="Repairs")


class DropReply(Schema):
    """Packets that pynet's tables dropped."""

    network = fields.String(data_key="Network")
    reason = fields.String(data_key="Reason")
    frames = fields.Integer(data_key="Frames")


class CountdownReply(Schema):
    """A dead host whose addresses this one takes over after some time."""

    host = fields.String(data_key="Host")
    name = fields.String(data_key="Name")
    network = fields.String(data_key="Network")
    gone = fields.Float(data_key="Gone")
    left = fields.Float(data_key="Left")


class LeftOutReply(Schema):
    """Something to which nothing leads in a network that hosts share."""

    network = fields.String(data_key="Network")
    what = fields.String(data_key="What")
    why = fields.String(data_key="Why")


class StatusReply(Schema):
    repairs = fields.Dict(data_key="Repairs")
    failing = fields.List(fields.Nested(RepairReply), data_key="Failing")
    looks = fields.Integer(data_key="Looks")
    drops = fields.List(fields.Nested(DropReply), data_key="Drops")
    sockets = fields.Integer(data_key="Sockets")
    most_sockets = fields.Integer(data_key="MostSockets")
    takeovers = fields.List(fields.Nested(CountdownReply), data_key="Takeovers")
    left_out = fields.List(fields.Nested(LeftOutReply), data_key="LeftOut")
