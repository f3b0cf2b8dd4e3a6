"""The table of pynet's own verbs, which the ``pynet`` command sends to the admin socket (``handlers.routes``).

No engine calls them. A newer pynet may add fields to its replies.
"""

from handlers.schemas import changes, own, path, policy, replies, traffic
from handlers.verbs import Verb
from plugin.protocol.api import ChangeService, Service

SERVICE_VERBS = {
    "About": Verb(None, Service.about, own.AboutReply, quiet=True),
    "Settings": Verb(None, Service.about, own.SettingsReply, quiet=True),
    "Log": Verb(own.LogRequest, Service.log, own.LogReply, quiet=True),
    "Reconcile": Verb(None, Service.reconcile, replies.ReconcileReply, most=1),
    "Look": Verb(None, Service.look, replies.ReconcileReply, most=1),
    "Status": Verb(None, Service.status, replies.StatusReply, quiet=True, most=4),
    "Overview": Verb(own.OverviewRequest, Service.overview, own.OverviewReply, quiet=True, most=4),
    "Ports": Verb(None, Service.ports, own.PortsReply, most=4),
    "Networks": Verb(None, Service.networks, own.NetworksReply, most=4),
    "Pools": Verb(None, Service.pools, own.PoolsReply, most=4),
    "Names": Verb(None, Service.names, own.NamesReply, quiet=True, most=4),
    "Resolver": Verb(None, Service.resolver, own.ResolverReply, quiet=True, most=4),
    "Traffic": Verb(None, Service.traffic, traffic.TrafficReply, quiet=True, most=4),
    "Policies": Verb(None, Service.policies, policy.PoliciesReply, most=2),
    "Drops": Verb(None, Service.drops, own.DropsReply, quiet=True, most=4),
    "Path": Verb(path.PathRequest, Service.path, path.PathReply, most=2),
    "Backup": Verb(None, Service.backup, own.BackupReply, most=1),
    "ClusterStatus": Verb(None, Service.cluster_status, own.ClusterStatusReply, most=2),
    "SetOptions": Verb(changes.SetOptionsRequest, ChangeService.set_options, changes.ChangedReply, most=4),
    "ResetOptions": Verb(changes.ResetOptionsRequest, ChangeService.reset_options, changes.ChangedReply, most=4),
    "PublishPorts": Verb(changes.PublishPortsRequest, ChangeService.publish_ports, changes.ChangedReply, most=4),
    "UnpublishPorts": Verb(changes.UnpublishPortsRequest, ChangeService.unpublish_ports, changes.ChangedReply, most=4),
    "ReserveAddress": Verb(
        changes.ReserveAddressRequest, ChangeService.reserve_address, changes.ReservationReply, most=4
    ),
    "UnreserveAddress": Verb(
        changes.UnreserveRequest, ChangeService.unreserve_address, changes.ReservationReply, most=4
    ),
    "TakeLease": Verb(changes.TakeLeaseRequest, ChangeService.take_lease, changes.TakenLeaseReply, most=4),
    "ForgetHost": Verb(own.ForgetHostRequest, Service.forget, own.ForgetHostReply, most=1),
    "ChangeKeys": Verb(None, Service.change_keys, own.ChangeKeysReply, most=1),
}
