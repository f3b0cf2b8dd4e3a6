"""Puts the real parts together; everything below receives its collaborators from here."""

import secrets
from pathlib import Path

from flask import Flask

from cli.cluster import open_cluster
from cli.overlay import share, start
from cli.settings import Settings
from handlers.app import create_app
from netlink.conntrack import Conntrack
from netlink.holds import Sockets
from netlink.hostnet import HostNetworks
from netlink.kernel import Kernel
from netlink.monitor import Monitor
from netlink.nftables import Nftables, open_runner
from netlink.relay import Relay
from plugin.cluster.router import IpamRouter
from plugin.driver import Driver
from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.ipam.supernets import parse_supernets
from plugin.ipam_driver import Ipam
from plugin.locks import Locks
from plugin.model import Network
from plugin.modes.base import Mode
from plugin.modes.bridge import BridgeMode
from plugin.modes.hostbridge import HostBridge
from plugin.modes.overlay import OverlayMode
from plugin.ports import Kernel as KernelPort
from plugin.publish.publisher import Publisher
from plugin.reaper import Reaper
from plugin.recovery import recover
from plugin.store.base import Store
from plugin.store.lockfile import lock_state
from plugin.store.sqlite import SqliteStore
from plugin.timing import timed
from plugin.watcher import Watcher

MACHINE_ID = Path("/etc/machine-id")


def build(settings: Settings) -> Flask:
    """Open the state, bring the kernel in line with it, start the background threads, and return the application."""
    lock_state(settings.state_dir)
    store: Store = timed("store", SqliteStore(settings.database))
    kernel: KernelPort = timed("netlink", Kernel())
    nft = Nftables(open_runner())
    firewall = timed("nft", Firewall(nft, settings.name))
    locks = Locks()
    host = HostSettings(kernel, store)
    reaper = Reaper(kernel, firewall, store, locks)
    cluster = open_cluster(settings, store, kernel)
    shared = share(kernel, store, locks, cluster)
    overlay = OverlayMode(HostBridge(kernel, firewall, host, settings.name), kernel, shared, settings.name)
    modes: dict[str, Mode] = {"bridge": BridgeMode(kernel, firewall, host, settings.name), "overlay": overlay}
    publisher = Publisher(kernel, Sockets(Relay()), firewall, Conntrack())
    recover(store, kernel, firewall, publisher, modes, settings.name)
    reaper.start()
    Watcher(kernel, firewall, Monitor(settings.name, "FORWARD", is_own=nft.is_own)).start()
    driver = Driver(store=store, modes=modes, settings=host, reaper=reaper, publisher=publisher, locks=locks)
    networks, supernets = HostNetworks(), parse_supernets(settings.pools, _machine_id())
    start(shared, overlay, (item.record for item in store.list(Network)))
    addresses = cluster.start(networks, supernets, shared.own.mend) if cluster else None
    return create_app(driver, IpamRouter(Ipam(store, networks, supernets), addresses))


def _machine_id() -> str:
    """Return what tells this machine from others; without it every start has IPv6 pools of another prefix."""
    try:
        return MACHINE_ID.read_text().strip() or secrets.token_hex(16)
    except OSError:
        return secrets.token_hex(16)
