"""The reply to the verb Traffic."""

from marshmallow import Schema, fields

from handlers.schemas.replies import Shown


class CountsReply(Schema):
    """Traffic in one direction."""

    bytes = fields.Integer(data_key="Bytes")
    packets = fields.Integer(data_key="Packets")
    drops = fields.Integer(data_key="Drops")
    errors = fields.Integer(data_key="Errors")


class PortTrafficReply(Schema):
    """A published port."""

    proto = fields.String(data_key="Proto")
    host_ip = Shown(data_key="HostIP")
    host_port = fields.Integer(data_key="HostPort")
    container_ip = Shown(data_key="ContainerIP")
    container_port = fields.Integer(data_key="ContainerPort")
    connections = fields.Integer(data_key="Connections")


class EndpointTrafficReply(Schema):
    """An endpoint."""

    id = fields.String(data_key="ID")
    link = fields.String(data_key="Link")
    received = fields.Nested(CountsReply, data_key="In")
    sent = fields.Nested(CountsReply, data_key="Out")
    ports = fields.List(fields.Nested(PortTrafficReply), data_key="Ports")


class NetworkTrafficReply(Schema):
    """A network."""

    id = fields.String(data_key="ID")
    mode = fields.String(data_key="Mode")
    link = fields.String(data_key="Link")
    endpoints = fields.List(fields.Nested(EndpointTrafficReply), data_key="Endpoints")


class TrafficReply(Schema):
    time = fields.Float(data_key="Time")
    networks = fields.List(fields.Nested(NetworkTrafficReply), data_key="Networks")
