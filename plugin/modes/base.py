"""What every mode does; one file a mode, so that a mode reads from top to bottom."""

from collections.abc import Sequence
from typing import Protocol

from plugin.model.desired import Desired
from plugin.model.records import Endpoint, Network
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import CreateNetwork, JoinReply
from plugin.request.undo import Undo


class Mode(Protocol):
    """Creates and removes what a network and its endpoints are in the kernel.

    Creating verbs push what takes each step back on ``undo``. Removing verbs go on past failures, take what is gone
    already as success, and name links for the reaper instead of waiting for the kernel to delete them.
    """

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Check everything that can be checked without touching anything, and return the record to be.

        The same request gives the same record.
        """

    def create_network(self, network: Network, undo: Undo) -> Network:
        """Make the network's link, addresses and rules, and return the record with what was found on the way.

        Raises:
            KernelError, PynetError: a step failed; what was done stands on ``undo``.
        """

    def delete_network(self, network: Network) -> list[str]:
        """Take the network out of use and return the links left to delete."""

    def create_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        """Make the endpoint's links and attach them."""

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Take the endpoint out of use and return the links left to delete."""

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Say which link goes into the container, and where its default route points."""

    def desired(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        """Say what ``network`` with ``endpoints`` wants of the kernel, without looking at it.

        Whatever is missing there is repaired by ``plugin.reconcile``; links of the network itself by ``make_link``.
        """

    def make_link(self, network: Network, link: str, undo: Undo) -> Network:
        """Make a link of the network again that the kernel has no more, and return the record as it is then.

        Addresses, settings and ports are given to it by the caller, as ``desired`` names them.
        """

    def in_container(self, endpoint: Endpoint) -> bool:
        """Say whether a container has the endpoint's link."""
