"""Messages of the verbs that change running networks and containers."""

from marshmallow import Schema, fields

from handlers.schemas.fields import FullText, Identifier
from handlers.schemas.objects import ListOf, Message, TextMap
from plugin.protocol.change_messages import ResetOptions, SetOptions


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
