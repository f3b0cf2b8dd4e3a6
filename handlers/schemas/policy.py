"""Messages of the verb Policies."""

from marshmallow import Schema, fields


class PolicyReply(Schema):
    """The policy of a network or of an endpoint."""

    network = fields.String(data_key="Network")
    endpoint = fields.String(data_key="Endpoint")
    groups = fields.List(fields.String(), data_key="Groups")
    allow_from = fields.List(fields.String(), data_key="From")
    allow_out = fields.List(fields.String(), data_key="AllowOut")
    publish_from = fields.List(fields.String(), data_key="PublishFrom")


class PoliciesReply(Schema):
    policies = fields.List(fields.Nested(PolicyReply), data_key="Policies")
    names = fields.Function(
        lambda reply: {name: list(map(str, addresses)) for name, addresses in reply.names.items()}, data_key="Names"
    )
