"""A thread that keeps in line what others change: which bridges are Docker's, and the rules that others removed."""

import threading
import time
from typing import Protocol

import structlog

from netlink.errors import KernelError
from netlink.monitor import LINKS, RULES
from plugin.errors import PynetError
from plugin.firewall.docker import docker_bridges
from plugin.firewall.firewall import Firewall
from plugin.ports import Kernel

log = structlog.get_logger()

PERIOD = 1.5  # seconds between two looks at the rules when nothing was heard
SETTLE = {LINKS: 0.05, RULES: 0.2}  # seconds for a burst of changes to end; a firewall's reload takes many
LONGEST = 1.0  # seconds after which a burst that does not end is looked at anyway


class Bell(Protocol):
    """Rings when a bridge, a port of one, or a rule changed (``netlink.monitor.Monitor``)."""

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; say what of ``LINKS`` and ``RULES`` changed."""


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
            self.look(bridges_changed=LINKS in self._heard())

    def _heard(self) -> frozenset[str]:
        """Wait for a change, or the period, and for the burst to end."""
        heard = self._bell.wait(PERIOD)
        end = time.monotonic() + LONGEST
        more = heard
        while more and time.monotonic() < end:
            more = self._bell.wait(max(SETTLE[kind] for kind in more))
            heard |= more
        return heard
