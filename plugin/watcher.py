"""A thread that keeps in line what others change: which bridges are Docker's, and the accepts beside its rules."""

import threading
import time
from typing import Protocol

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.firewall.docker import docker_bridges
from plugin.firewall.firewall import Firewall
from plugin.ports import Kernel

log = structlog.get_logger()

PERIOD = 2.0  # seconds between two looks at the accepts
SETTLE = 0.05  # seconds for a burst of link changes to end


class Bell(Protocol):
    """Rings when a bridge or a port of one changed (``netlink.monitor.LinkMonitor``)."""

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds``; say whether it rang."""


class Watcher:
    """Looks once at start, whenever a bridge changes, and every ``PERIOD``."""

    def __init__(self, kernel: Kernel, firewall: Firewall, bell: Bell) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._bell = bell

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        self.look(bridges_changed=True)
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def look(self, *, bridges_changed: bool) -> None:
        """Bring the firewall in line once."""
        try:
            if bridges_changed:
                self._firewall.set_docker_bridges(docker_bridges(self._kernel.links()))
            self._firewall.heal()
        except (KernelError, PynetError) as error:
            log.warning("firewall not brought in line", error=str(error))

    def _run(self) -> None:
        while True:
            rang = self._bell.wait(PERIOD)
            if rang:
                time.sleep(SETTLE)
                while self._bell.wait(0.001):
                    pass
            self.look(bridges_changed=rang)
