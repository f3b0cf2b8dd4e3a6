"""Keeps the rules in line whatever else is being repaired: it waits for no record, no link and no survey."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from netlink.errors import KernelError, Missing
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Links
from plugin.protocol.messages import Repair
from plugin.reconcile.ledger import Ledger
from plugin.reconcile.survey import Survey

log = structlog.get_logger()


class Healing:
    """Called by the thread that watches the rules, and by every full survey."""

    def __init__(self, firewall: Firewall, kernel: Links, survey: Survey, ledger: Ledger) -> None:
        self._firewall = firewall
        self._kernel = kernel
        self._survey = survey
        self._ledger = ledger
        self._healthy = True  # whether the rules could be written the last time
        self._shut = 0  # how often ports had to be set down
        self._opened = 0  # the value of _shut when a survey last set them up again

    @property
    def late(self) -> bool:
        """Whether rules that could not be written are written now, so that a survey must set ports up again."""
        return self._healthy and self._shut != self._opened

    def heal(self, *, elements: bool) -> list[Repair]:
        """Bring the rules in line, and the elements of sets if ``elements`` is set; raises ``KernelError``."""
        try:
            found = self._firewall.heal(elements=elements)
        except KernelError:
            self.shut()
            raise
        self._healthy = True
        return [self._ledger.repaired(finding) for finding in found]

    @contextmanager
    def opening(self) -> Iterator[None]:
        """The block sets up the ports that are down; if it fails, the next block must do so."""
        before = self._shut
        yield
        self._opened = before

    def shut(self) -> None:
        """Set all ports down if the tables are missing, so that nothing enters or leaves a network without rules."""
        self._healthy = False
        self._shut += 1
        try:
            names = self._survey.open_ports() if self._firewall.missing else []
            for name in names:
                with suppress(Missing):
                    self._kernel.set_down(name)
        except KernelError as error:  # the caller tries again, at the latest when it next checks the rules
            log.error("rules are missing, and not all ports could be set down", error=str(error))  # noqa: TRY400 - foreseen
        else:
            if names:
                log.error("rules are missing and cannot be written: ports of all networks set down", ports=len(names))
