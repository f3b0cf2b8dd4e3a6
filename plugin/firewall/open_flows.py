"""Answers between the ports of a bridge that pass because the question did (``plugin.firewall.policy_rules``)."""

from collections.abc import Callable
from contextlib import suppress

from netlink.conntrack import TrackedFlow
from netlink.errors import Missing
from netlink.nft_elements import Element
from plugin.firewall.sets import FLOWS
from plugin.interfaces import Nft


class OpenFlows:
    """The flows in the kernel's table of this pynet."""

    def __init__(self, nft: Nft, table: str) -> None:
        self._nft = nft
        self._table = table

    def forget(self, doomed: Callable[[TrackedFlow], bool]) -> int:
        """Let no more answers pass of every flow for which ``doomed`` returns true; return how many flows that were.

        Raises:
            KernelError: the kernel cannot be asked or refused.
        """
        count = 0
        for of in FLOWS.values():
            with suppress(Missing):
                for packed in self._nft.elements_of(self._table, of):
                    count += self._forgotten(Element(of, packed), doomed)
        return count

    def _forgotten(self, element: Element, doomed: Callable[[TrackedFlow], bool]) -> bool:
        server, client, proto, port, _ = element.values
        if not doomed(TrackedFlow(proto, client, server, port, server, port)):
            return False
        with suppress(Missing):  # the kernel forgets them too
            self._nft.change(self._table, [element], [])
            return True
        return False
