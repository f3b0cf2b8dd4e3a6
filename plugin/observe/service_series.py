"""The series about pynet itself, its resolver and its host."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from netlink.errors import Missing
from netlink.values import dataclass
from plugin.engine.names import Names
from plugin.firewall.reasons import BY_NAME
from plugin.observe import metrics as m
from plugin.observe.network_series import labels_of
from plugin.observe.page import Page
from plugin.protocol.messages import Status
from plugin.protocol.own_messages import ResolverReport

NO_NETWORK = ("none", "none")
GUARD, RULES = "guard", "rules"
MEMORY = Path("/proc/self/statm")
CONNTRACK = {
    m.CONNTRACK: "net/netfilter/nf_conntrack_count",
    m.MOST_CONNTRACK: "net/netfilter/nf_conntrack_max",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """The running pynet, which began to serve at ``started``, in seconds since 1970."""

    version: str
    driver: str
    started: float

    def write(self, page: Page) -> None:
        """Add its series."""
        page.add(m.BUILD, 1, self.version, self.driver)
        page.add(m.START, self.started)
        page.add(m.CPU, time.process_time())
        page.add(m.MEMORY, int(MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


def write_state(status: Callable[[], Status], names: Names, page: Page) -> None:
    """Add repairs, findings that cannot be repaired, drops, and the sockets of ports."""
    now = status()
    for kind, count in sorted(now.repairs.items()):
        page.add(m.REPAIRS, count, kind)
    for kind, count in sorted(Counter(repair.kind for repair in now.failing).items()):
        page.add(m.FAILING, count, kind)
    page.add(m.LOOKS, now.looks)
    page.add(m.LAST_LOOK, now.looked)
    page.add(m.SOCKETS, now.sockets)
    page.add(m.MOST_SOCKETS, now.most_sockets)
    for drop in now.drops:
        of = labels_of(names.known, drop.network) if drop.network else NO_NETWORK
        page.add(m.DROPS, drop.frames, *of, GUARD if BY_NAME[drop.reason].guard else RULES, drop.reason)


def write_resolver(report: Callable[[], ResolverReport], page: Page) -> None:
    """Add the questions to the resolver by outcome, and whether it serves."""
    now = report()
    for outcome, count in now.questions.items():
        page.add(m.QUESTIONS, count, outcome)
    page.add(m.CACHED, now.kept)
    if now.networks:
        page.add(m.RESOLVER_UP, int(bool(now.addresses)))


def write_conntrack(read_setting: Callable[[str], str], page: Page) -> None:
    """Add how many connections the kernel tracks; a kernel without connection tracking has no such series."""
    for metric, path in CONNTRACK.items():
        try:
            page.add(metric, int(read_setting(path)))
        except Missing:
            continue
