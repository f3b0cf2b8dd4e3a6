"""A thread that keeps in line what others change: rules, pynet's own links and settings, which bridges are Docker's.

The kernel's word comes within a moment; what it says nothing about is found by looking every now and then.
"""

import threading
import time
from typing import Protocol

import structlog

from netlink.errors import KernelError
from netlink.monitor import LINKS, OWN, RULES
from plugin.errors import PynetError
from plugin.firewall.docker import docker_bridges
from plugin.firewall.firewall import Firewall
from plugin.ports import Kernel
from plugin.reconcile.reconciler import Reconciler

log = structlog.get_logger()

PERIOD = 1.5  # seconds between two looks at the rules when nothing was heard
WHOLE = 30.0  # seconds between two looks at everything; 200 networks with 400 containers take 0.1 s
SETTLE = {LINKS: 0.05, RULES: 0.2, OWN: 0.1}  # seconds for a burst of changes to end; a firewall's reload takes many
LONGEST = 1.0  # seconds after which a burst that does not end is looked at anyway


class Bell(Protocol):
    """Rings when others changed something that matters (``netlink.monitor.Monitor``)."""

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; say what of ``LINKS``, ``RULES`` and ``OWN`` changed."""


class Watcher:
    """Looks at start, when it hears of a change, at the rules every ``PERIOD`` and at everything every ``WHOLE``."""

    def __init__(self, kernel: Kernel, firewall: Firewall, reconciler: Reconciler, bell: Bell) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._reconciler = reconciler
        self._bell = bell
        self._whole_at = time.monotonic() + WHOLE
        self._said = ""  # why the last look failed, which is said once

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        self.look(frozenset({LINKS}))
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def look(self, heard: frozenset[str]) -> None:
        """Bring in line what was ``heard`` of, and the rules."""
        try:
            whole = OWN in heard or time.monotonic() >= self._whole_at
            if LINKS in heard or whole:  # a look that failed is not heard of again
                self._firewall.set_docker_bridges(docker_bridges(self._kernel.links()))
                self._reconciler.look_at_bridges()
            if whole:
                self._whole_at = time.monotonic() + WHOLE
                self._reconciler.reconcile()
            else:
                self._reconciler.heal(elements=RULES in heard)
        except (KernelError, PynetError) as error:
            if str(error) != self._said:
                log.warning("not brought in line", error=str(error))
            self._said = str(error)
        else:
            self._said = ""

    def _run(self) -> None:
        while True:
            self.look(self._heard())

    def _heard(self) -> frozenset[str]:
        """Wait for a change, or the period, and for the burst to end."""
        heard = self._bell.wait(PERIOD)
        end = time.monotonic() + LONGEST
        more = heard
        while more and time.monotonic() < end:
            more = self._bell.wait(max(SETTLE[kind] for kind in more))
            heard |= more
        return heard
