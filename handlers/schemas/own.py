"""Messages of pynet's own verbs, except those about repairs."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields

from handlers.schemas.fields import Text
from handlers.schemas.objects import Message
from handlers.schemas.replies import Shown


class SettingReply(Schema):
    """A setting in force."""

    key = fields.String(data_key="Key")
    value = fields.String(data_key="Value")
    origin = fields.String(data_key="Origin")


class AboutReply(Schema):
    version = fields.String(data_key="Version")
    process = fields.Integer(data_key="Process")
    started = fields.Float(data_key="Started")
    name = fields.String(data_key="Name")
    state_dir = fields.String(data_key="StateDir")
    managed = fields.Boolean(data_key="Managed")
    settings = fields.List(fields.Nested(SettingReply), data_key="Settings")


class SettingsReply(Schema):
    settings = fields.List(fields.Nested(SettingReply), data_key="Settings")


class PortReply(Schema):
    """A published port."""

    endpoint = fields.String(data_key="Endpoint")
    network = fields.String(data_key="Network")
    proto = fields.String(data_key="Proto")
    host_ip = Shown(data_key="HostIP")
    host_port = fields.Integer(data_key="HostPort")
    container_ip = Shown(data_key="ContainerIP")
    container_port = fields.Integer(data_key="ContainerPort")
    published = fields.Boolean(data_key="Published")


class PortsReply(Schema):
    ports = fields.Function(lambda ports: PortReply(many=True).dump(ports), data_key="Ports")


class LeaseReply(Schema):
    """The lease of an endpoint."""

    address = Shown(data_key="Address")
    server = Shown(data_key="Server")
    router = Shown(data_key="Router")
    ends = fields.Integer(data_key="Ends")
    moved = fields.Boolean(data_key="Moved")
    lost = fields.Boolean(data_key="Lost")


class EndpointReportReply(Schema):
    """An endpoint of a network."""

    id = fields.String(data_key="ID")
    network = fields.String(data_key="Network")
    link = fields.String(data_key="Link")
    mac = fields.String(data_key="MacAddress")
    ipv4 = Shown(data_key="IPv4")
    ipv6 = Shown(data_key="IPv6")
    sandbox = fields.String(data_key="Sandbox")
    guarded = fields.Boolean(data_key="Guarded")
    ports = fields.Integer(data_key="Ports")
    options = fields.Dict(data_key="Options")
    changes = fields.Dict(data_key="Changes")
    lease = fields.Nested(LeaseReply, data_key="Lease", allow_none=True)
    made = fields.List(Shown(), data_key="Made")


class SubnetReply(Schema):
    """A subnet of a network."""

    subnet = Shown(data_key="Subnet")
    gateway = Shown(data_key="Gateway")


class ReservedAddressReply(Schema):
    """An address that is reserved for a name."""

    name = fields.String(data_key="Name")
    address = Shown(data_key="Address")


class NetworkReply(Schema):
    """A network."""

    id = fields.String(data_key="ID")
    mode = fields.String(data_key="Mode")
    link = fields.String(data_key="Link")
    internal = fields.Boolean(data_key="Internal")
    mtu = fields.Integer(data_key="MTU")
    guarded = fields.Boolean(data_key="Guarded")
    shared_as = fields.String(data_key="SharedAs")
    vni = fields.Integer(data_key="VNI")
    subnets = fields.List(fields.Nested(SubnetReply), data_key="Subnets")
    reserved = fields.List(fields.Nested(ReservedAddressReply), data_key="Reserved")
    options = fields.Dict(data_key="Options")
    changes = fields.Dict(data_key="Changes")
    endpoints = fields.List(fields.Nested(EndpointReportReply), data_key="Endpoints")
    dhcp = fields.Boolean(data_key="DHCP")


class NetworksReply(Schema):
    networks = fields.Function(lambda networks: NetworkReply(many=True).dump(networks), data_key="Networks")


class FillReply(Schema):
    """A subnet with its fill."""

    network = fields.String(data_key="Network")
    subnet = Shown(data_key="Subnet")
    taken = fields.Integer(data_key="Taken")
    size = fields.Integer(data_key="Size")


class PoolsReply(Schema):
    pools = fields.Function(lambda pools: FillReply(many=True).dump(pools), data_key="Pools")


class NameReply(Schema):
    """An endpoint with its names."""

    network = fields.String(data_key="Network")
    network_name = fields.String(data_key="NetworkName")
    endpoint = fields.String(data_key="Endpoint")
    host = fields.String(data_key="Host")
    host_name = fields.String(data_key="HostName")
    names = fields.List(fields.String(), data_key="Names")
    addresses = fields.Function(lambda one: [str(address) for address in one.addresses], data_key="Addresses")


class NamesReply(Schema):
    names = fields.Function(lambda names: NameReply(many=True).dump(names), data_key="Names")


class ResolverReply(Schema):
    networks = fields.Integer(data_key="Networks")
    addresses = fields.Function(lambda one: [str(address) for address in one.addresses], data_key="Addresses")
    port = fields.Integer(data_key="Port")
    trouble = fields.String(data_key="Trouble")
    servers = fields.List(fields.String(), data_key="Servers")
    questions = fields.Dict(keys=fields.String(), values=fields.Integer(), data_key="Questions")
    kept = fields.Integer(data_key="Kept")


class DropEndReply(Schema):
    """The sender or the receiver of dropped packets."""

    endpoint = fields.String(data_key="Endpoint")
    address = Shown(data_key="Address")
    link = fields.String(data_key="Link")


class DropReportReply(Schema):
    """Packets that were dropped for one reason."""

    network = fields.String(data_key="Network")
    reason = fields.String(data_key="Reason")
    sender = fields.Nested(DropEndReply, data_key="From")
    receiver = fields.Nested(DropEndReply, data_key="To")
    packets = fields.Integer(data_key="Packets")
    since = fields.Float(data_key="Since")
    last = fields.Float(data_key="Last")


class DropsReply(Schema):
    drops = fields.Function(lambda drops: DropReportReply(many=True).dump(drops), data_key="Drops")


class BackupReply(Schema):
    database = fields.Function(lambda copy: b64encode(copy.database).decode(), data_key="Database")
    records = fields.Dict(data_key="Records")


class ClusterStatusReply(Schema):
    """The cluster; ``pynet cluster status --json`` prints it."""

    cluster = fields.Function(lambda status: status, data_key="Cluster")


class ForgetHostRequest(Message):
    """A host that is to be forgotten, by name or id."""

    host = Text(data_key="Host", required=True, nullable=False)

    def build(self, data: Mapping[str, Any]) -> str:
        return str(data["host"])


class ForgetHostReply(Schema):
    sentence = fields.String(data_key="Sentence")
    host = fields.String(data_key="Host")
    addresses = fields.Integer(data_key="Addresses")
    pool_uses = fields.Integer(data_key="PoolUses")


class ChangeKeysReply(Schema):
    sentence = fields.String(data_key="Sentence")
    generation = fields.Integer(data_key="Generation")


class CursorRequest(Message):
    """The cursor of an earlier reply, or none."""

    cursor = Text(data_key="cursor")

    def build(self, data: Mapping[str, Any]) -> str:
        return str(data.get("cursor", ""))


class LogRequest(CursorRequest):
    """Asks for the lines after a cursor."""


class OverviewRequest(CursorRequest):
    """Asks for the changes after a cursor."""


class OverviewReply(Schema):
    """Networks, endpoints and ports; the page reads it as it is (spec/cli/overview.json)."""

    overview = fields.Function(lambda overview: overview, data_key="Overview")


class LogReply(Schema):
    cursor = fields.String(data_key="Cursor")
    records = fields.Raw(data_key="Records")
