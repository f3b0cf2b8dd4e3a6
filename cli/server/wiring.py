"""Puts the real parts together; everything below receives its collaborators from here."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from flask import Flask

from cli.engine.api import Engine, endpoint_names, here
from cli.server.answers import Answers
from cli.server.cluster import open_cluster
from cli.server.name import hold_name
from cli.server.overlay import Host, share, start
from cli.server.records import KINDS
from cli.settings import Settings
from handlers.app import create_app
from netlink.conntrack import Conntrack
from netlink.counters import Counters
from netlink.errors import KernelError
from netlink.hostnet import HostNetworks
from netlink.kernel import Kernel
from netlink.monitor import Monitor
from netlink.nftables import Nftables, open_runner
from netlink.own_changes import OwnChanges
from netlink.port_sockets import PortSockets
from netlink.relay import Relay
from netlink.vxlan import Vxlan
from plugin.background.loop import Loop, trouble
from plugin.driver import Driver
from plugin.engine.names import Names
from plugin.firewall.drops import Drops
from plugin.firewall.firewall import Firewall
from plugin.host.forwarding import Forwarding
from plugin.host.own_links import OwnLinks
from plugin.host.reaper import Reaper
from plugin.host.sysctls import HostSettings
from plugin.interfaces import Kernel as KernelPort
from plugin.interfaces import Tunnels
from plugin.ipam.driver import Ipam
from plugin.ipam.supernets import Supernet, parse_supernets
from plugin.ipam_router import IpamRouter
from plugin.model.link_owner import Owner
from plugin.model.names import ON_HOST, is_own_bridge
from plugin.model.records import Network
from plugin.modes.base import Mode
from plugin.modes.bridge import BridgeMode
from plugin.modes.hostbridge import HostBridge
from plugin.modes.overlay import OverlayMode
from plugin.publish.publisher import Publisher
from plugin.rebuild.networks import rebuilder
from plugin.reconcile.dry_run import DryRun
from plugin.reconcile.reconciler import Reconciler
from plugin.reconcile.survey import Survey
from plugin.reconcile.watcher import Watcher
from plugin.removal.garbage import Collector
from plugin.removal.removal import Removal
from plugin.request.execution import WorkerPool
from plugin.request.locks import Locks
from plugin.request.timing import Dress, timed
from plugin.runtime import Runtime
from plugin.store.base import Store
from plugin.store.sqlite.files import write_private
from plugin.store.sqlite.lockfile import lock_state
from plugin.store.sqlite.opening import open_store

log = structlog.get_logger()

TROUBLE = "pynet.trouble"  # extension of the application: what says what is wrong with its threads
AT_END = "pynet.at_end"  # extension of the application: what to call when it has served its last request
MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all else stands on: the kernel, the state, and who may touch what when."""

    owner: Owner
    doings: OwnChanges
    kernel: KernelPort
    nft: Nftables
    supernets: Sequence[Supernet]
    store: Store
    locks: Locks
    firewall: Firewall
    host: HostSettings
    reaper: Reaper
    threads: list[Loop[Any]] = field(default_factory=list)


def build(settings: Settings, dress: Dress = timed) -> Flask:
    """Open the state, bring the kernel in line with it, start the background threads, and return the application.

    ``dress`` is put around every part that changes something outside of this process.
    """
    lock_state(settings.state_dir)
    hold_name(settings.name)
    ground = _ground(settings, dress)
    kernel, store, locks, reaper = ground.kernel, ground.store, ground.locks, ground.reaper
    cluster = open_cluster(settings, store, kernel, dress)
    tunnels: Tunnels = dress("netlink", Vxlan(ground.owner.group))
    shared = share(Host(kernel, tunnels, store, ground.firewall, locks), cluster)
    bridge = HostBridge(kernel, ground.firewall, ground.host, settings.name)
    overlay = OverlayMode(bridge, kernel, shared, settings.name)
    modes: dict[str, Mode] = {"bridge": BridgeMode(bridge), "overlay": overlay}
    sockets, conntrack = dress("sockets", PortSockets(Relay())), dress("conntrack", Conntrack())
    names = Names(Engine(settings.docker_socket or here()).names)
    publisher = Publisher(kernel, sockets, ground.firewall, conntrack, names)
    runtime = Runtime(kernel, store, ground.firewall, ground.host, publisher, reaper, modes, locks, names)
    removal = Removal(runtime)
    reconciler, dry_run = _recover(settings, ground, runtime, removal)
    driver = Driver(runtime, removal, gateway_check=settings.gateway_check)
    networks = HostNetworks()
    ipam = Ipam(store, networks, ground.supernets, reaper.debts)
    ground.threads.extend(start(shared, overlay, (item.record for item in store.list(Network))))
    addresses = None
    if cluster:
        addresses, threads = cluster.start(networks, ground.supernets, reaper.debts, shared.own.mend)
        ground.threads.extend(threads)
    router = IpamRouter(ipam, addresses)
    if settings.docker_socket:
        collector = Collector(Engine(settings.docker_socket), removal, router, store, settings.docker_grace)
        ground.threads.append(collector.start())
    ground.threads.append(names.start())
    answers = Answers(settings, store, reconciler, dry_run.look)
    app = create_app(driver, router, answers, WorkerPool(most=2 * settings.threads))
    app.extensions[TROUBLE] = partial(trouble, ground.threads)
    app.extensions[AT_END] = partial(_tidy, reaper, ground.firewall)
    return app


def _ground(settings: Settings, dress: Dress) -> _Ground:
    owner, doings, locks = Owner(settings.name), OwnChanges(), Locks()
    supernets = parse_supernets(settings.pools, machine_id(settings.state_dir))
    kernel: KernelPort = dress("netlink", Kernel(owner.group, doings, settings=settings.sysctl_dir))
    nft = dress("nft", Nftables(open_runner()))
    rebuild = rebuilder(kernel, nft, settings.name, supernets)
    store: Store = dress("store", open_store(settings.database, KINDS, rebuild))
    firewall = Firewall(nft, settings.name, locks=locks)
    host = HostSettings(kernel, store, Forwarding(kernel, store, firewall), locks)
    reaper = Reaper(OwnLinks(kernel, owner), firewall, store, locks)
    return _Ground(owner, doings, kernel, nft, supernets, store, locks, firewall, host, reaper)


def _recover(settings: Settings, ground: _Ground, runtime: Runtime, removal: Removal) -> tuple[Reconciler, DryRun]:
    """Bring the kernel in line with the state, and keep it there."""
    survey = Survey(runtime.store, runtime.kernel, runtime.settings, runtime.modes, ground.owner)
    drops = Drops(Counters(), runtime.store, settings.name, endpoint_names)
    reconciler = Reconciler(runtime, survey, removal, drops.known)
    # Before recovery, so that nothing is missed in between.
    monitor = Monitor(
        settings.name,
        "FORWARD",
        is_own=ground.nft.is_own,
        doings=ground.doings,
        prefixes=ON_HOST,
        is_bridge=lambda name: is_own_bridge(name) or runtime.firewall.owns(name),
    )
    reconciler.recover()
    ground.threads.extend([*runtime.reaper.start(), drops.start(), *Watcher(reconciler, monitor).start()])
    return reconciler, DryRun(runtime, survey)


def _tidy(reaper: Reaper, firewall: Firewall) -> None:
    """Do what waits in the background: a plugin that is removed next leaves nothing behind."""
    reaper.stop()
    try:
        firewall.close()
    except KernelError as error:
        log.warning("nftables tables not removed", error=str(error))


def machine_id(state_dir: Path, own: Path = MACHINE_ID) -> str:
    """Return what tells this machine from others; a container has none, so one is made up and kept with the state."""
    kept = state_dir / MACHINE_ID.name
    for file in (kept, own):
        with suppress(OSError):
            if known := file.read_text().strip():
                return known
    made = secrets.token_hex(16)
    with suppress(OSError):  # without it the next start has IPv6 pools of another prefix
        write_private(kept, made + "\n")
    return made
