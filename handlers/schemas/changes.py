"""Messages of the verbs that change running networks and containers."""

from marshmallow import Schema, fields

from handlers.schemas.common import BINDING_KEYS, PORT_KEYS
from handlers.schemas.fields import AddressText, FullText, Identifier
from handlers.schemas.objects import ListOf, Message, PortList, TextMap
from handlers.schemas.own import PortReply
from handlers.schemas.replies import Shown, StaticRouteReply
from plugin.protocol.change_messages import (
    HostPort,
    PublishPorts,
    ReserveAddress,
    ResetOptions,
    SetOptions,
    TakeLease,
    UnpublishPorts,
)
from plugin.protocol.messages import PortBinding


class SetOptionsRequest(Message):
    """Options to set on a network, or with EndpointID on one endpoint."""

    message = SetOptions
    network = Identifier(data_key="NetworkID", required=True, nullable=False)
    endpoint = Identifier(data_key="EndpointID")
    options = TextMap(data_key="Options", required=True, nullable=False)


class ResetOptionsRequest(Message):
    """Options whose changes are to be taken back."""

    message = ResetOptions
    network = Identifier(data_key="NetworkID", required=True, nullable=False)
    endpoint = Identifier(data_key="EndpointID")
    words = ListOf(FullText(required=True, nullable=False), data_key="Options")


class PublishPortsRequest(Message):
    """Ports to publish, each as in the engine's own requests."""

    message = PublishPorts
    network = Identifier(data_key="NetworkID", required=True, nullable=False)
    endpoint = Identifier(data_key="EndpointID", required=True, nullable=False)
    bindings = PortList(BINDING_KEYS, data_key="Ports", message=PortBinding)


class UnpublishPortsRequest(Message):
    """Ports of the host to withdraw."""

    message = UnpublishPorts
    network = Identifier(data_key="NetworkID", required=True, nullable=False)
    endpoint = Identifier(data_key="EndpointID", required=True, nullable=False)
    ports = PortList(PORT_KEYS, data_key="Ports", message=HostPort)


class UnreserveRequest(Message):
    """The name for which an address is reserved."""

    message = ReserveAddress
    network = Identifier(data_key="NetworkID", required=True, nullable=False)
    name = FullText(data_key="Name", required=True, nullable=False)


class ReserveAddressRequest(UnreserveRequest):
    """A name and the address to reserve for it."""

    address = AddressText(data_key="Address", required=True, nullable=False)


class TakeLeaseRequest(Message):
    """A container whose address moved."""

    message = TakeLease
    network = Identifier(data_key="NetworkID", required=True, nullable=False)
    endpoint = Identifier(data_key="EndpointID", required=True, nullable=False)


class TakenLeaseReply(Schema):
    """Addresses with their prefix lengths, and routes as Join has them."""

    network = fields.String(data_key="NetworkID")
    endpoint = fields.String(data_key="EndpointID")
    mac = fields.String(data_key="MacAddress")
    before = Shown(data_key="Before")
    address = Shown(data_key="Address")
    gateway = Shown(data_key="Gateway")
    routes = fields.List(fields.Nested(StaticRouteReply), data_key="Routes")


class ReservationReply(Schema):
    network = fields.String(data_key="NetworkID")
    name = fields.String(data_key="Name")
    addresses = fields.List(Shown(), data_key="Addresses")


class SettingChangeReply(Schema):
    """An option that changed."""

    key = fields.String(data_key="Key")
    value = fields.String(data_key="Value")
    origin = fields.String(data_key="Origin")
    before = fields.String(data_key="Before")


class ChangedReply(Schema):
    network = fields.String(data_key="NetworkID")
    endpoint = fields.String(data_key="EndpointID")
    settings = fields.List(fields.Nested(SettingChangeReply), data_key="Settings")
    endpoints = fields.Integer(data_key="Endpoints")
    mtu = fields.Integer(data_key="MTU")
    gso = fields.Integer(data_key="GSO")
    published = fields.List(fields.Nested(PortReply), data_key="Published")
    withdrawn = fields.List(fields.Nested(PortReply), data_key="Withdrawn")
