"""The accepts beside the rules of other firewalls, as they are in the kernel; which are needed says ``docker``."""

from collections.abc import Collection, Iterator
from contextlib import suppress

import structlog

from netlink.errors import Missing
from plugin.firewall import docker, sets
from plugin.interfaces import Nft
from plugin.model.elements import Elements
from plugin.model.names import BRIDGES, is_own_bridge

log = structlog.get_logger()


class Accepts:
    """Those of one pynet; every verb may raise ``KernelError``."""

    def __init__(self, nft: Nft, owner: str) -> None:
        self._nft = nft
        self._owner = owner
        self.seen = False  # whether they were seen there

    def add(self, names: Collection[str]) -> None:
        """Let every chain of other firewalls have the accepts that are needed, and no other of pynet's."""
        for chain, text in self._wrong(names):
            self._nft.apply(text)
            log.debug("accept rules changed beside another firewall's", chain=str(chain))
        self.seen = True

    def wrong(self, names: Collection[str]) -> list[str]:
        """Return the chains whose accepts are not those that are needed."""
        return [str(chain) for chain, _ in self._wrong(names)]

    def withdraw(self) -> None:
        """Take all away."""
        self.seen = False
        for chain in docker.CHAINS:
            with suppress(Missing):
                text = docker.accepts_to_delete(chain, self._nft.list(f"chain {chain}"), self._owner)
                if text:
                    self._nft.apply(text)

    def _wrong(self, names: Collection[str]) -> Iterator[tuple[docker.Chain, str]]:
        """Yield each chain that is not right, and the text that makes it so."""
        wanted = sorted(names)
        for chain in docker.CHAINS:
            try:
                listed = self._nft.list(f"chain {chain}")
            except Missing:
                continue  # no such firewall on this host, so nobody drops there
            text = docker.accepts_to_add(chain, listed, self._owner, wanted)
            text += docker.accepts_to_delete(chain, listed, self._owner, (BRIDGES, *wanted))
            if text:
                yield chain, text


def own_names(elements: Elements) -> set[str]:
    """Return the links of networks whose names pynet did not choose."""
    names = {element.values[0] for element in elements if element.of is sets.BRIDGES}
    return {name for name in names if not is_own_bridge(name)}
