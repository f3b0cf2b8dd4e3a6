"""Puts the real parts together; everything below receives its collaborators from here."""

import secrets
from pathlib import Path
from typing import Protocol, TypeVar

from flask import Flask

from cli.engine import Engine
from cli.settings import Settings
from handlers.app import create_app
from netlink.conntrack import Conntrack
from netlink.doings import Doings
from netlink.holds import Sockets
from netlink.hostnet import HostNetworks
from netlink.kernel import Kernel
from netlink.monitor import Monitor
from netlink.nftables import Nftables, open_runner
from netlink.relay import Relay
from plugin.attempt import Workers
from plugin.collector import Collector
from plugin.driver import Driver
from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.ipam.supernets import parse_supernets
from plugin.ipam_driver import Ipam
from plugin.kinds import KINDS
from plugin.locks import Locks
from plugin.modes.base import Mode
from plugin.modes.bridge import BridgeMode
from plugin.ports import Kernel as KernelPort
from plugin.publish.publisher import Publisher
from plugin.reaper import Reaper
from plugin.rebuild import rebuilder
from plugin.reconcile.owner import Owner
from plugin.reconcile.parts import Parts
from plugin.reconcile.reconciler import Reconciler
from plugin.reconcile.survey import Survey
from plugin.store.base import Store
from plugin.store.lockfile import lock_state
from plugin.store.opening import open_store
from plugin.timing import timed
from plugin.watcher import Watcher

MACHINE_ID = Path("/etc/machine-id")
T = TypeVar("T")


class Dress(Protocol):
    """Puts something around a collaborator: a clock, or what a test needs."""

    def __call__(self, name: str, collaborator: T) -> T:
        """Return a stand-in for ``collaborator``; ``name`` is its layer."""


def build(settings: Settings, dress: Dress = timed) -> Flask:
    """Open the state, bring the kernel in line with it, start the background threads, and return the application.

    ``dress`` is put around every part that changes something outside of this process.
    """
    supernets = parse_supernets(settings.pools, machine_id())  # may refuse, so it comes before anything is touched
    lock_state(settings.state_dir)
    owner, doings = Owner(settings.name), Doings()
    kernel: KernelPort = dress("netlink", Kernel(owner.group, doings))
    nft = dress("nft", Nftables(open_runner()))
    rebuild = rebuilder(kernel, nft, settings.name, supernets)
    store: Store = dress("store", open_store(settings.database, KINDS, rebuild))
    locks = Locks()
    firewall = Firewall(nft, settings.name, locks=locks)
    host = HostSettings(kernel, store, locks)
    reaper = Reaper(kernel, firewall, store, locks)
    modes: dict[str, Mode] = {"bridge": BridgeMode(kernel, firewall, host, settings.name)}
    sockets, conntrack = dress("sockets", Sockets(Relay())), dress("conntrack", Conntrack())
    publisher = Publisher(kernel, sockets, firewall, conntrack)
    parts = Parts(kernel, store, firewall, host, publisher, reaper, modes, locks)
    reconciler = Reconciler(parts, Survey(store, kernel, host, modes, owner))
    # Before recovery, so that nothing is missed in between.
    monitor = Monitor(settings.name, "FORWARD", is_own=nft.is_own, doings=doings)
    reconciler.recover()
    reaper.start()
    Watcher(kernel, firewall, reconciler, monitor).start()
    driver = Driver(store=store, modes=modes, settings=host, reaper=reaper, publisher=publisher, locks=locks)
    driver.gateway_check = settings.gateway_check
    ipam = Ipam(store, HostNetworks(), supernets, reaper.debts)
    if settings.docker_socket:
        Collector(Engine(settings.docker_socket), driver, ipam, store, settings.docker_grace).start()
    return create_app(driver, ipam, reconciler, Workers(most=2 * settings.threads))


def machine_id() -> str:
    """Return what tells this machine from others; without it every start has IPv6 pools of another prefix."""
    try:
        return MACHINE_ID.read_text().strip() or secrets.token_hex(16)
    except OSError:
        return secrets.token_hex(16)
