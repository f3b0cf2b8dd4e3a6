"""Changes on running networks and containers, over Docker's own options: ``pynet network set`` and its relatives.

A change is in the record before the reply, and the kernel is brought in line with it as by a repair. If a step fails,
record and kernel are as before. Changes go with the record of the network or of the endpoint.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from netlink.gso import KERNELS_OWN
from plugin.errors import InvalidRequest
from plugin.ipam.driver import Ipam
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Mode, desired_of
from plugin.modes.registry import mode_of, refuse_options
from plugin.network.exposure import Exposure
from plugin.network.fixed_addresses import FixedAddresses
from plugin.network.leased_addresses import routes_of
from plugin.network.lookup import Lookup
from plugin.network.port_changes import PortChanges
from plugin.options.live import changes_of, live_option
from plugin.options.network import EndpointSettings
from plugin.options.option import OptionSet
from plugin.options.origin import Origin, network_layers, of_endpoint, of_network
from plugin.policy.judge import OPTIONS
from plugin.protocol.change_messages import (
    Changed,
    PublishPorts,
    Reservation,
    ReserveAddress,
    ResetOptions,
    SetOptions,
    SettingChange,
    TakeLease,
    TakenLease,
    UnpublishPorts,
)
from plugin.publish.bindings import reported
from plugin.reconcile.alignment import Alignment
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.locks import LockName, endpoint_locks
from plugin.request.work import Work
from plugin.runtime import Runtime
from plugin.store.base import Put

log = structlog.get_logger()

NO_PORT = "name at least one port"
PORTS = "ports"  # names the ports of a container among its options

Texts = Mapping[str, str]
Changing = TypeVar("Changing", Network, Endpoint)
Change = Callable[[type[OptionSet], str, Texts], Texts]  # declared options, "network" or "container", earlier changes


class LiveChanges:
    """Every verb may raise ``PynetError``; nothing is changed then."""

    def __init__(
        self,
        runtime: Runtime,
        survey: Survey,
        removal: Removal,
        ipam: Ipam,
        narrowed: Callable[[str, str], object],
    ) -> None:
        """``narrowed`` is called with the ids of a network and an endpoint, or "", whose policy has changed."""
        self._narrowed = narrowed
        self._store = runtime.store
        self._modes = runtime.modes
        self._lookup = Lookup(runtime)
        self._work = Work(runtime.locks, runtime.reaper.retries)
        self._alignment = Alignment(runtime, survey, removal)
        self._serve_names = runtime.applier.serve_names
        self._leases, self._owners = runtime.leases, removal.owners
        self._addresses = FixedAddresses(runtime.store, ipam, runtime.names)
        exposure = Exposure(runtime, removal.sandboxes)
        self._ports = PortChanges(runtime, removal.sandboxes, exposure)

    def set_options(self, request: SetOptions) -> Changed:
        """Set options of a network and all of its containers, or of one container in it."""
        if not request.options:
            raise InvalidRequest("name at least one option and its value, such as guard=off")

        def change(kind: type[OptionSet], what: str, own: Texts) -> Texts:
            return {**own, **changes_of(kind, what, request.options)}

        return self._change(request.network, request.endpoint, change)

    def reset_options(self, request: ResetOptions) -> Changed:
        """Take changes back: those of some options, or all without words. Then Docker's own options hold again."""
        words = [word for word in request.words if word != PORTS or not request.endpoint]

        def change(kind: type[OptionSet], what: str, own: Texts) -> Texts:
            gone = {live_option(kind, what, word).key for word in words} if request.words else set(own)
            return {key: text for key, text in own.items() if key not in gone}

        return self._change(request.network, request.endpoint, change, ports=words != [*request.words] or not words)

    def publish_ports(self, request: PublishPorts) -> Changed:
        """Publish ports of a running container beside those of Docker."""
        if not request.bindings:
            raise InvalidRequest(NO_PORT)
        with self._work.create(*endpoint_locks(request.network, request.endpoint)) as undo:
            network, _ = self._usable(request.network)
            before = self._lookup.endpoint(request.network, request.endpoint)
            after = self._ports.publish(network, before, request.bindings, undo)
        return _told(before, after)

    def unpublish_ports(self, request: UnpublishPorts) -> Changed:
        """Withdraw ports of a running container, those of Docker too."""
        if not request.ports:
            raise InvalidRequest(NO_PORT)
        places = [(each.proto, each.port) for each in request.ports]
        with self._work.create(*endpoint_locks(request.network, request.endpoint)) as undo:
            network, _ = self._usable(request.network)
            before = self._lookup.endpoint(request.network, request.endpoint)
            after = self._ports.unpublish(network, before, places, undo)
        return _told(before, after)

    def reserve_address(self, request: ReserveAddress) -> Reservation:
        """Reserve an address of a network for the container of a name; the same request again changes nothing."""
        with self._work.hold(LockName.network(request.network)):
            network, _ = self._usable(request.network)
            return self._addresses.reserve(network, request)

    def unreserve_address(self, request: ReserveAddress) -> Reservation:
        """End a reservation; a container that has the address keeps it."""
        with self._work.hold(LockName.network(request.network)):
            network, _ = self._usable(request.network)
            return self._addresses.unreserve(network, request)

    def take_lease(self, request: TakeLease) -> TakenLease:
        """Let a container have the address of its lease: in the records, the rules and the tables of the host."""
        with self._work.create(*endpoint_locks(request.network, request.endpoint)) as undo:
            network, mode = self._usable(request.network)
            before = self._lookup.endpoint(request.network, request.endpoint)
            lease = self._leases.in_force(before.key)
            after = replace(before, ipv4=lease.address)
            if after != before:
                self._store.transact(Put(after))
                undo.push(self._store.transact, Put(before))
                self._alignment.change(desired_of(mode, network, [before]), desired_of(mode, network, [after]), undo)
                self._owners.remove(before)
                self._owners.add(after)
            self._leases.taken_over(before.key)  # also if a request was killed before that
        gateway, routes = (None, ()) if network.internal else routes_of(lease)
        was = before.ipv4 or lease.address
        return TakenLease(network.id, after.id, after.mac, was, lease.address, gateway, tuple(routes))

    def _change(self, network_id: str, endpoint_id: str, change: Change, *, ports: bool = False) -> Changed:
        if endpoint_id:
            done = self._endpoint(network_id, endpoint_id, change, ports=ports)
        else:
            done = self._network(network_id, change)
        if any(each.key in OPTIONS for each in done.settings):
            self._narrowed(network_id, endpoint_id)
        return done

    def _network(self, network_id: str, change: Change) -> Changed:
        with self._work.create(LockName.network(network_id)) as undo:
            before, mode = self._usable(network_id)
            after = _marked(before, change(mode.settings, "network", before.changes))
            refuse_options(mode_of(self._modes, after), after.changes)
            after = mode.changed(before, after)
            ends = [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
            if after != before:
                self._store.transact(Put(after))
                undo.push(self._store.transact, Put(before))
                was = before if after.gso == before.gso else replace(before, gso=before.gso or KERNELS_OWN)
                self._alignment.change(desired_of(mode, was, ends), desired_of(mode, after, ends), undo)
                self._serve_names(after)
        were, are = (of_network(mode.settings.options(), each.options, each.changes) for each in (before, after))
        mtu, gso = (0 if was == now else now for was, now in ((before.mtu, after.mtu), (before.gso, after.gso)))
        return Changed(network_id, "", len(ends), _differences(were, are, network_id), mtu, gso)

    def _endpoint(self, network_id: str, endpoint_id: str, change: Change, *, ports: bool) -> Changed:
        with self._work.create(*endpoint_locks(network_id, endpoint_id)) as undo:
            network, mode = self._usable(network_id)
            before = self._lookup.endpoint(network_id, endpoint_id)
            after = _marked(before, change(EndpointSettings, "container", before.changes))
            refuse_options(mode, after.changes)
            if after != before:
                self._store.transact(Put(after))
                undo.push(self._store.transact, Put(before))
                self._alignment.change(desired_of(mode, network, [before]), desired_of(mode, network, [after]), undo)
                mode.announce_again(network, before, after, undo)
            after = self._ports.reset(network, after, undo) if ports else after
        layers = network_layers(network.options, network.changes)
        were, are = (of_endpoint(layers, each.driver_opts, each.changes) for each in (before, after))
        return replace(_told(before, after), settings=_differences(were, are, network_id, endpoint_id))

    def _usable(self, network_id: str) -> tuple[Network, Mode]:
        """Return a network and its mode; raises ``NotFound``, and ``Failed`` if this version cannot use it."""
        network = self._lookup.network(network_id)
        return network, self._lookup.mode(network)


def _marked(before: Changing, changes: Texts) -> Changing:
    """Return a record with ``changes``, and with a mark if its policy is another one then."""
    new = any(before.changes.get(key) != changes.get(key) for key in OPTIONS)
    return replace(before, changes=changes, policy_changed=before.policy_changed or new)


def _differences(
    were: Sequence[Origin], are: Sequence[Origin], network: str, endpoint: str = ""
) -> list[SettingChange]:
    pairs = zip(were, are, strict=True)
    found = [SettingChange(now.key, now.value, now.origin, was.value) for was, now in pairs if was != now]
    for each in found:
        details = {"network": network, **({"endpoint": endpoint} if endpoint else {})}
        log.info("option changed", option=each.key, value=each.value, before=each.before, **details)
    return found


def _told(before: Endpoint, after: Endpoint) -> Changed:
    came = [port for port in after.published if port not in before.published]
    went = [port for port in before.published if port not in after.published]
    if came or went:
        log.info("published ports changed", endpoint=after.id, network=after.network_id, came=len(came), went=len(went))
    return Changed(after.network_id, after.id, 1, published=reported(after, came), withdrawn=reported(after, went))
