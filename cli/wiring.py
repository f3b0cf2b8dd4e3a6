"""Puts the real parts together; everything below receives its collaborators from here."""

from pathlib import Path

from flask import Flask
from handlers.app import create_app
from netlink.hostnet import HostNetworks
from plugin.ipam_driver import Ipam
from plugin.store.lockfile import lock_state
from plugin.store.sqlite import SqliteStore
from plugin.timing import timed

from cli.settings import Settings
from netlink.kernel import Kernel
from netlink.monitor import LinkMonitor
from netlink.nftables import Nftables, open_runner
from plugin.driver import Driver
from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.locks import Locks
from plugin.modes.bridge import BridgeMode
from plugin.reaper import Reaper
from plugin.recovery import recover
from plugin.watcher import Watcher

MACHINE_ID = Path("/etc/machine-id")


def build(settings: Settings) -> Flask:
    """Open the state, bring the kernel in line with it, start the background threads, and return the application."""
    lock_state(settings.state_dir)
    store = timed("store", SqliteStore(settings.state_dir / "pynet.db"))
    kernel = timed("netlink", Kernel())
    firewall = timed("nft", Firewall(Nftables(open_runner()), settings.name))
    locks = Locks()
    host = HostSettings(kernel, store)
    reaper = Reaper(kernel, firewall, store, locks)
    modes = {"bridge": BridgeMode(kernel, firewall, host, settings.name)}
    recover(store, kernel, firewall, modes, settings.name)
    reaper.start()
    Watcher(kernel, firewall, LinkMonitor()).start()
    driver = Driver(kernel=kernel, store=store, modes=modes, settings=host, reaper=reaper, locks=locks)
    ipam = Ipam(store, HostNetworks(), settings.pools)
    return create_app(driver, ipam)
