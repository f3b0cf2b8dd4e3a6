"""The two protocols, and pynet's own, as Python: one method per verb, over the frozen values of ``messages``.

``handlers/`` calls these and nothing else of ``plugin/``; ``plugin.driver`` and ``plugin.ipam.driver`` implement them.
Every method may raise any ``PynetError``, whose text the user reads; anything else is a defect and is answered as an
internal error. Every method that changes something can be called twice and out of order, because the engine repeats
and reorders calls (moby pkg/plugins/client.go, daemon/libnetwork/endpoint.go).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from plugin.protocol import messages as m
from plugin.protocol.change_messages import (
    Changed,
    PublishPorts,
    Reservation,
    ReserveAddress,
    ResetOptions,
    SetOptions,
    TakeLease,
    TakenLease,
    UnpublishPorts,
)
from plugin.protocol.drop_messages import DropReport
from plugin.protocol.own_messages import (
    About,
    Fill,
    ForgottenHost,
    KeyChange,
    LogPart,
    NameReport,
    NetworkReport,
    PublishedPort,
    ResolverReport,
    StateCopy,
)
from plugin.protocol.path_messages import Answer, PathQuestion
from plugin.protocol.policy_messages import PolicyReports
from plugin.protocol.traffic_messages import Traffic


class NetworkDriver(Protocol):
    """The remote network driver (moby daemon/libnetwork/drivers/remote/driver.go)."""

    def get_capabilities(self) -> m.Capabilities:
        """Return the abilities of the driver; a constant, because the engine asks under its activation lock."""

    def gw_alloc_check(self, request: m.GwAllocCheck) -> m.GwAllocReply:
        """Return the families that need no gateway address (28.0 and later)."""

    def allocate_network(self, request: m.AllocateNetwork) -> m.AllocateReply:
        """Settle the options of a swarm network, on the leader only."""

    def free_network(self, request: m.NetworkRef) -> None:
        """Undo ``allocate_network``."""

    def create_network(self, request: m.CreateNetwork) -> None:
        """Make a network; durable when it returns, because the engine never repeats it."""

    def delete_network(self, request: m.NetworkRef) -> None:
        """Delete a network; the engine ignores errors and may call this before its endpoints are deleted."""

    def create_endpoint(self, request: m.CreateEndpoint) -> m.CreateEndpointReply:
        """Make an endpoint; the reply has only values that the request left empty."""

    def delete_endpoint(self, request: m.EndpointRef) -> None:
        """Delete an endpoint with both ends of its link."""

    def endpoint_oper_info(self, request: m.EndpointRef) -> m.OperInfo:
        """Describe an endpoint for ``docker inspect``."""

    def join(self, request: m.Join) -> m.JoinReply:
        """Name the link that the engine moves into the container, and its routing."""

    def leave(self, request: m.EndpointRef) -> None:
        """Undo ``join``; may come twice, and without a join."""

    def program_external_connectivity(self, request: m.ProgramExternalConnectivity) -> None:
        """Publish the ports of an endpoint; a repeat replaces the published ports."""

    def revoke_external_connectivity(self, request: m.EndpointRef) -> None:
        """Withdraw the published ports of an endpoint."""

    def discover_new(self, request: m.Discovery) -> None:
        """Note that a node joined the swarm."""

    def discover_delete(self, request: m.Discovery) -> None:
        """Note that a node left the swarm."""


class IpamDriver(Protocol):
    """The remote address manager (moby daemon/libnetwork/ipams/remote/remote.go)."""

    def get_capabilities(self) -> m.IpamCapabilities:
        """Return the needs of the address manager; a constant, because the engine asks under its activation lock."""

    def get_default_address_spaces(self) -> m.AddressSpaces:
        """Name the local and the global address space."""

    def request_pool(self, request: m.RequestPool) -> m.PoolReply:
        """Reserve the requested pool, or any free one."""

    def release_pool(self, request: m.ReleasePool) -> None:
        """Give a pool back."""

    def request_address(self, request: m.RequestAddress) -> m.AddressReply:
        """Reserve the requested address, or any free one."""

    def release_address(self, request: m.ReleaseAddress) -> None:
        """Give an address back."""


class ChangeService(Protocol):
    """The verbs of the ``pynet`` command that change running networks (``plugin.changes.LiveChanges``)."""

    def set_options(self, request: SetOptions) -> Changed:
        """Set options of a running network or container."""

    def reset_options(self, request: ResetOptions) -> Changed:
        """Take changes of a running network or container back."""

    def publish_ports(self, request: PublishPorts) -> Changed:
        """Publish ports of a running container beside those of Docker."""

    def unpublish_ports(self, request: UnpublishPorts) -> Changed:
        """Withdraw ports of a running container."""

    def reserve_address(self, request: ReserveAddress) -> Reservation:
        """Reserve an address of a network for the container of a name."""

    def unreserve_address(self, request: ReserveAddress) -> Reservation:
        """End the reservation of an address."""

    def take_lease(self, request: TakeLease) -> TakenLease:
        """Let a running container have the address that its DHCP server gives it now."""


class Service(ChangeService, Protocol):
    """The verbs of the ``pynet`` command, which the serving process answers (``cli.server.answers.Answers``)."""

    def about(self) -> About:
        """Return the version, the process and the settings of the running pynet."""

    def reconcile(self) -> list[m.Repair]:
        """Compare kernel and records now, repair differences, and return them."""

    def look(self) -> Sequence[m.Repair]:
        """Return the differences that ``reconcile`` would repair, and change nothing."""

    def status(self) -> m.Status:
        """Return the counts of repairs since the start."""

    def overview(self, cursor: str) -> Mapping[str, Any]:
        """Return networks, endpoints and ports, or what of them changed after ``cursor`` if it is not empty."""

    def ports(self) -> Sequence[PublishedPort]:
        """Return the published ports."""

    def networks(self) -> Sequence[NetworkReport]:
        """Return a report on each network and its endpoints."""

    def pools(self) -> Sequence[Fill]:
        """Return how full the subnets of networks are."""

    def names(self) -> Sequence[NameReport]:
        """Return the endpoints that have names, of this host and of the hosts that share its networks."""

    def resolver(self) -> ResolverReport:
        """Return what the resolver does, and the numbers of questions."""

    def traffic(self) -> Traffic:
        """Return the counters of all endpoints and published ports."""

    def policies(self) -> PolicyReports:
        """Return the policies of networks and endpoints, and the addresses of the names of hosts in them."""

    def drops(self) -> Sequence[DropReport]:
        """Return the packets that were dropped since the start, by reason, sender and receiver."""

    def path(self, question: PathQuestion) -> Answer:
        """Return the steps that the first packet of a connection takes, by the records alone."""

    def backup(self) -> StateCopy:
        """Return a copy of the state."""

    def cluster_status(self) -> Mapping[str, Any]:
        """Return the status of the hosts of the cluster."""

    def forget(self, host: str) -> ForgottenHost:
        """Free everything that a dead host of the cluster holds."""

    def change_keys(self) -> KeyChange:
        """Begin to change the keys with which hosts encrypt what they send each other."""

    def log(self, cursor: str) -> LogPart:
        """Return the newest lines of the log, after ``cursor`` if it is not empty."""
