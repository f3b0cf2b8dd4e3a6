"""Ends flows that a changed policy forbids: the kernel judges only the first packet of what it tracks.

A forgotten flow is judged anew at its next packet, and refused. Within a network, where few kernels track flows, rules
judge each packet of TCP connections of a container whose policy has changed; answers of other protocols are ended here.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from functools import partial

import structlog

from netlink.conntrack import TrackedFlow
from netlink.errors import KernelError
from netlink.values import dataclass
from plugin.errors import PynetError
from plugin.firewall.open_flows import OpenFlows
from plugin.interfaces import Conntrack, Kernel
from plugin.model.policy import Policy, policy_of
from plugin.model.records import Endpoint, Network, Published
from plugin.options.policy import ANY, ICMP, TCP, UDP
from plugin.policy.answers import known_addresses
from plugin.policy.judge import FarGroups, Meeting, Resolve, Ruling, entering, leaving, nobody_far, using_port
from plugin.protocol.messages import Address
from plugin.store.base import Store

log = structlog.get_logger()

_PROTOCOLS = {1: ICMP, 6: TCP, 17: UDP, 58: ICMP}  # IANA's numbers
_UNKNOWN = Policy()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The policies that changed, by address, and everything that tells whether they forbid a flow.

    ``groups`` are those of all addresses of the network; ``relayed`` are ports that pynet relays, with their policies.
    """

    policies: Mapping[Address, Policy]
    groups: Mapping[Address, Collection[str]]
    relayed: Collection[tuple[Published, Policy]]
    host: Collection[Address]
    resolve: Resolve
    resolvers: Collection[Address] = field(default=())

    def forbids(self, flow: TrackedFlow) -> bool:
        """Return whether a policy that changed forbids a flow."""
        return any(ruling is not None and not ruling.allowed for ruling in self._rulings(flow))

    def _rulings(self, flow: TrackedFlow) -> list[Ruling | None]:
        protocol = _PROTOCOLS.get(flow.proto, ANY)
        translated = (flow.target, flow.target_port) != (flow.destination, flow.port)
        there = self.groups.get(flow.target, ()) if flow.source in self.groups and not translated else ()
        other = Meeting(flow.target, protocol, flow.target_port, there, flow.destination)
        out = leaving(self.policies.get(flow.source, _UNKNOWN), other, self.resolve, self.resolvers)
        if flow.source in self.host:
            return [out]
        here = self.groups.get(flow.source, ()) if flow.target in self.groups and not translated else ()
        receiver = self.policies.get(flow.target, _UNKNOWN)
        client = Meeting(flow.source, protocol, flow.target_port, here)
        into = using_port(receiver, client) if translated else entering(receiver, client)
        return [out, into, *(using_port(policy, _to(port, client)) for port, policy in self.relayed if _is(port, flow))]


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows that the kernel tracks, and those between the ports of a bridge whose answers pass."""

    tracked: Conntrack
    within: OpenFlows


class FlowEnding:
    """Judges the flows of endpoints whose policy has changed."""

    def __init__(
        self,
        store: Store,
        kernel: Kernel,
        flows: Flows,
        resolvers: Callable[[], Collection[Address]],
        far_groups: FarGroups = nobody_far,
    ) -> None:
        self._store = store
        self._kernel = kernel
        self._flows = flows
        self._resolvers = resolvers
        self._far_groups = far_groups

    def end(self, network_id: str, endpoint_id: str = "") -> None:
        """End the forbidden flows of one endpoint, or of all of a network; a failure is logged.

        The rules are in force already, so a flow that begins meanwhile is judged by them.
        """
        try:
            ended = 0
            if judgement := self._judgement(network_id, endpoint_id):
                ended += self._flows.tracked.forget(judgement.forbids)
            if judgement := self._judgement(network_id):  # a neighbour's policy may name a group that it has left
                ended += self._flows.within.forget(judgement.forbids)
        except (KernelError, PynetError) as error:
            log.warning("flows that a policy forbids not ended", network=network_id, error=str(error))
        else:
            if ended:
                log.info("flows ended by a policy", network=network_id, flows=ended)

    def _judgement(self, network_id: str, endpoint_id: str = "") -> Judgement | None:
        """Return what judges by the policy of one endpoint, or of all; None if it forbids nothing."""
        network = self._store.get(Network, network_id)
        if network is None:
            return None
        ends = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
        every = {end.id: policy_of(network.record, end) for end in ends}
        changed = [end for end in ends if endpoint_id in ("", end.id) and every[end.id] != Policy(every[end.id].groups)]
        if not changed:
            return None
        far = self._far_groups(network.record.overlay.network) if network.record.overlay else {}
        return Judgement(
            policies={address: every[end.id] for end in changed for address in _addresses(end)},
            groups={**far, **{address: every[end.id].groups for end in ends for address in _addresses(end)}},
            relayed=[(port, every[end.id]) for end in changed for port in end.published if _relays(port)],
            host={address.ip for _, address in self._kernel.addresses(link_local=True)},
            resolve=partial(known_addresses, self._store),
            resolvers=self._resolvers(),
        )


def _addresses(endpoint: Endpoint) -> list[Address]:
    return [own.ip for own in (endpoint.ipv4, endpoint.ipv6) if own is not None]


def _relays(port: Published) -> bool:
    return port.host is not None and port.host.version == 6 and (port.target.version == 4 or port.host.is_unspecified)


def _is(port: Published, flow: TrackedFlow) -> bool:
    """Return whether a flow ends at the host's socket of a relayed port."""
    at = port.host is not None and (port.host.is_unspecified or port.host == flow.destination)
    return at and (port.proto, port.host_port) == (flow.proto, flow.port) and flow.target == flow.destination


def _to(port: Published, client: Meeting) -> Meeting:
    return Meeting(client.address, client.protocol, port.port)
