"""Keeps the rules in line, whatever else is being repaired: it waits for no record, no link and no look at them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from netlink.errors import KernelError, Missing
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Kernel
from plugin.protocol.messages import Repair
from plugin.reconcile.ledger import Ledger
from plugin.reconcile.survey import Survey

log = structlog.get_logger()


class Healing:
    """Called by the thread that looks at the rules, and by every look at everything."""

    def __init__(self, firewall: Firewall, kernel: Kernel, survey: Survey, ledger: Ledger) -> None:
        self._firewall = firewall
        self._kernel = kernel
        self._survey = survey
        self._ledger = ledger
        self._healthy = True  # whether they could be written the last time
        self._shut = 0  # how often ports had to be set down
        self._opened = 0  # up to which of these times they were set up again

    @property
    def late(self) -> bool:
        """Whether rules that could not be written stand now, and a look at the links has to set ports up again."""
        return self._healthy and self._shut != self._opened

    def heal(self, *, elements: bool) -> list[Repair]:
        """Bring the rules in line, and with ``elements`` what stands in the sets; raises ``KernelError``."""
        try:
            found = self._firewall.heal(elements=elements)
        except KernelError:
            self.shut()
            raise
        self._healthy = True
        return [self._ledger.repaired(finding) for finding in found]

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Let the block set up what was set down before it; if it fails, the next one does."""
        before = self._shut
        yield
        self._opened = before

    def shut(self) -> None:
        """While the tables are missing nothing enters or leaves a network: ports are down until a look sets them up."""
        self._healthy = False
        self._shut += 1
        try:
            names = self._survey.open_ports() if self._firewall.missing else []
            for name in names:
                with suppress(Missing):
                    self._kernel.set_down(name)
        except KernelError as error:  # whoever called tries again, at the latest in the next look at the rules
            log.error("rules are missing, and not all ports set down", error=str(error))  # noqa: TRY400 - foreseen
        else:
            if names:
                log.error("rules are missing and cannot be written: ports of all networks set down", ports=len(names))
