"""The application that ``pynet serve`` runs: opens what is real, brings the host in line, and starts the threads."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from flask import Flask

from cli.engine.api import Engine, engine_socket
from cli.engine.events import EventfulEngine
from cli.engine.inventory import inventory
from cli.server.answers import Answers, Sources, own_version
from cli.server.log_ring import keep_log
from cli.server.logs import use_names
from cli.server.machine import machine_id, this_machine
from cli.server.metrics import Monitoring
from cli.server.overview import Overview
from cli.server.pauses import Exempted
from cli.server.records import KINDS
from cli.server.renewal import Renewal
from cli.server.wiring import Host, Pynet
from cli.server.worker import THREADS
from cli.settings import Settings
from handlers.admin import Watched, by_listener, create_admin
from handlers.app import create_app
from netlink import kernel as linux
from netlink.conntrack import Conntrack
from netlink.counters import Counters
from netlink.direct_routes import DirectRoutes
from netlink.errors import KernelError
from netlink.far_addresses import far_addresses
from netlink.monitor import Monitor
from netlink.nftables import Nftables, open_runner
from netlink.own_changes import OwnChanges
from netlink.port_sockets import PortSockets
from netlink.relay import Relay
from netlink.route_monitor import RouteMonitor
from netlink.routes import HostNetworks
from netlink.statistics import Statistics
from netlink.vxlan import Vxlan
from netlink.wireguard import WireGuards
from plugin.background.beside import beside
from plugin.background.loop import Troubled, trouble
from plugin.cluster.secrecy.key_file import KeyFile
from plugin.cluster.secrecy.means import Means
from plugin.dhcp.model import Dhcp4
from plugin.engine.endpoint_names import EndpointNames
from plugin.engine.names import Names
from plugin.interfaces import Kernel, Nft
from plugin.ipam.supernets import parse_supernets
from plugin.ipam_router import IpamRouter
from plugin.model.link_owner import Owner
from plugin.model.names import SHIM, is_own_bridge, shim_name
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import MODES, Kinds, in_its_mode, link_prefixes
from plugin.observe.drops import Drops
from plugin.policy.upkeep import NamedRules
from plugin.protocol.own_messages import NameReport, ResolverReport
from plugin.rebuild.networks import InItsMode, rebuilder
from plugin.reconcile.survey import Records
from plugin.reconcile.watcher import Watcher
from plugin.removal.garbage import GarbageCollector
from plugin.request.execution import PATIENCE, WorkerPool
from plugin.request.gate import Gate
from plugin.request.timing import Wrap, timed
from plugin.store.base import LocalStore
from plugin.store.sqlite.opening import open_store
from plugin.swarm.allocation import capabilities_of

if TYPE_CHECKING:
    from cli.server.cluster import JoinedCluster

log = structlog.get_logger()

STARTING = "pynet is still bringing the host in line"
TROUBLE = "pynet.trouble"  # extension of the application: returns what is wrong with its threads
FINISH = "pynet.finish"  # extension of the application: called when it begins to serve
OUTGROWN = "pynet.outgrown"  # extension of the application: returns whether a fresh process would need less memory
AT_END = "pynet.at_end"  # extension of the application: called when it has served its last request


def build(settings: Settings, wrap: Wrap = timed, kinds: Kinds = MODES, patience: float = PATIENCE) -> Flask:
    """Open the state and return the application, which waits with requests until its extension ``FINISH`` was called.

    The caller has the state folder's lock and this pynet's name (``cli.server.serve``). ``wrap`` is put around all that
    changes something outside of this process, networks are of modes ``kinds``, replies take ``patience`` s at most.
    """
    changes, nft = OwnChanges(), Nftables(open_runner())
    host, cluster, drops = _open(settings, wrap, changes, wrap("nft", nft), partial(in_its_mode, kinds=kinds))
    pynet = Pynet(settings.name, host, told=capabilities_of(settings), kinds=kinds)
    addresses = cluster.addresses(pynet, host) if cluster else None
    router, gate, threads = IpamRouter(pynet.ipam, addresses), Gate(), list[Troubled]()

    monitoring = Monitoring(settings, host, pynet, cluster, lambda: trouble(threads) if gate.is_open else STARTING)
    monitor = _monitor(pynet, nft, changes)  # before recovery, so that nothing is missed in between

    def finish() -> None:
        """Bring the kernel in line with the state, start the threads, and let requests pass."""
        records = pynet.reconciler.recover()
        threads.append(pynet.leased.recall(records.networks, records.endpoints))
        pynet.driver.recall(records.networks, records.endpoints)
        threads.extend([*pynet.reaper.start(), drops.start(), *Watcher(pynet.reconciler, monitor).start()])
        threads.extend(cluster.start(pynet, host, addresses) if cluster and addresses else [])
        threads.extend([*_start_names(host, pynet, records), Exempted().start()])
        if settings.docker_socket:
            engine = Engine(settings.docker_socket)
            threads.append(GarbageCollector(engine, pynet.removal, router, host.store, settings.docker_grace).start())
        gate.open()
        _tell_of_the_start(settings, pynet, records)

    workers = WorkerPool(patience, most=2 * settings.threads)
    app = create_app(gate.before(pynet.driver), gate.before(router), workers, monitoring.watched.times)
    overview = Overview(host.store, host.names, Statistics())
    look, lines, far = gate.before(pynet.dry_run).look, keep_log().since, pynet.peers.far_groups
    parts = look, lines, monitoring.traffic.read, overview.since, drops.reports, far, far_addresses, *_of_names(pynet)
    sources = Sources(*parts, cluster.countdowns if cluster else tuple, pynet.secrets, pynet.peers.left_out)
    answers = Answers(settings, host.store, gate.before(pynet.reconciler), sources, gate.before(pynet.live))
    _serve_commands(app, answers, settings.admin, monitoring.watched)
    threads.extend([monitoring.port.start()] if monitoring.port else [])
    app.extensions |= {FINISH: finish, TROUBLE: partial(trouble, threads)} | _endings(pynet, host.names)
    return app


def _monitor(pynet: Pynet, nft: Nftables, changes: OwnChanges) -> Monitor:
    return Monitor(
        pynet.parts.owner,
        "FORWARD",
        is_own=nft.is_own,
        changes=changes,
        prefixes=link_prefixes(pynet.modes),
        is_bridge=lambda name: is_own_bridge(name) or pynet.firewall.owns(name),
        routes=RouteMonitor(SHIM, partial(shim_name, pynet.parts.owner), changes, pynet.parts.parents.known),
    )


def _of_names(pynet: Pynet) -> tuple[Callable[[], Sequence[NameReport]], Callable[[], ResolverReport]]:
    return pynet.zone.reports, pynet.resolver.report


def _start_names(host: Host, pynet: Pynet, records: Records) -> list[Troubled]:
    for network in records.networks.values():
        pynet.resolver.expect(network)
    return [host.names.start(), host.told.start(), pynet.named.start(NamedRules(pynet.runtime)), pynet.resolver.start()]


def _serve_commands(app: Flask, answers: Answers, path: Path, watched: Watched) -> None:
    """Let ``app`` answer pynet's own commands on the socket at ``path``, by threads of their own."""
    admin = create_admin(answers, watched, WorkerPool(most=2 * THREADS))
    app.wsgi_app = by_listener(app.wsgi_app, admin.wsgi_app, path)  # type: ignore[assignment,method-assign]


def _endings(pynet: Pynet, names: Names) -> dict[str, Callable[[], object]]:
    renewal = Renewal(lambda: pynet.firewall.count() + pynet.publisher.sockets()[0])
    return {OUTGROWN: renewal.due, AT_END: partial(_tidy, pynet, names)}


def _tell_of_the_start(settings: Settings, pynet: Pynet, records: Records) -> None:
    endpoints = [endpoint for ends in records.endpoints.values() for endpoint in ends]
    log.info(
        "pynet started",
        version=own_version(),
        socket=str(settings.socket),
        admin=str(settings.admin),
        state=str(settings.state_dir),
        store=settings.store or "this host alone",
        networks=len(records.networks),
        endpoints=len(endpoints),
        ports=sum(len(endpoint.published) for endpoint in endpoints),
        repairs=sum(pynet.reconciler.status().repairs.values()),
    )


def _open(
    settings: Settings, wrap: Wrap, changes: OwnChanges, nft: Nft, in_its_mode: InItsMode
) -> "tuple[Host, JoinedCluster | None, Drops]":
    group = Owner(settings.name).group
    kernel: Kernel = wrap("netlink", linux.Kernel(group, changes, settings=settings.sysctl_dir))
    machine = machine_id(settings.state_dir)
    supernets = parse_supernets(settings.pools, machine)
    rebuild = rebuilder(kernel, nft, settings.name, supernets, in_its_mode)
    store: LocalStore = wrap("store", open_store(settings.database, KINDS, rebuild, soon=(Network, Endpoint)))
    cluster = _open_cluster(settings, store, kernel, wrap)
    drops = Drops(Counters(), store, settings.name, lambda: inventory().known)
    host = Host(
        kernel=kernel,
        nft=nft,
        tunnels=wrap("netlink", Vxlan(group)),
        routes=wrap("netlink", DirectRoutes(changes)),
        sockets=wrap("sockets", PortSockets(Relay())),
        conntrack=wrap("conntrack", Conntrack()),
        networks=HostNetworks(),
        store=store,
        supernets=supernets,
        names=Names(Engine(settings.docker_socket or engine_socket()).names),
        told=EndpointNames(
            EventfulEngine(settings.docker_socket or engine_socket()),
            lambda network: store.get(Network, network) is not None,
        ),
        cluster=cluster.seen_from_here() if cluster else None,
        drops=drops.known,
        machine=machine,
        dns=settings.dns,
        means=_means(settings, wrap, WireGuards(group, changes)),
        dhcp=lambda: wrap("dhcp", _dhcp_client()),
        beside=beside,
    )
    use_names(host.names)
    return host, cluster, drops


def _means(settings: Settings, wrap: Wrap, wireguard: WireGuards) -> Means:
    keys = wrap("keys", KeyFile(settings.state_dir, this_machine()))
    return Means(wrap("netlink", wireguard), keys, settings.wireguard_port, settings.key_days)


def _dhcp_client() -> Dhcp4:
    """Return a client of DHCP; most hosts need none, so nothing of it is loaded before."""
    from netlink.arp_probe import ArpLink
    from netlink.dhcp_link import DhcpLink
    from plugin.dhcp.runner import DhcpClient

    return DhcpClient(DhcpLink, ArpLink)


def _open_cluster(settings: Settings, store: LocalStore, kernel: Kernel, wrap: Wrap) -> "JoinedCluster | None":
    """Join the cluster that ``settings`` name; its modules are not loaded without one."""
    if settings.store is None:
        return None
    from cli.server.cluster import open_cluster

    return open_cluster(settings, store, kernel, wrap)


def _tidy(pynet: Pynet, names: Names) -> None:
    """Finish what is done in the background: a plugin that is removed next leaves nothing behind."""
    pynet.reaper.stop()
    try:
        pynet.firewall.close()
    except KernelError as error:
        log.warning("nftables tables not removed", error=str(error))
    names.stop()
    log.info("pynet ended", version=own_version())
