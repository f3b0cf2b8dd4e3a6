"""The declarations and methods of a mode; each mode has one file, which reads from top to bottom."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Protocol

from netlink.links import Link
from netlink.values import dataclass
from plugin.cluster.overlay.shared import Shared
from plugin.firewall.firewall import Firewall
from plugin.host.parents import Parents
from plugin.host.shim import Shims
from plugin.host.sysctls import HostSettings
from plugin.interfaces import Kernel
from plugin.model.desired import Desired
from plugin.model.names import ID_LENGTH, NETWORK
from plugin.model.records import Endpoint, Network
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import Address, CreateNetwork, JoinReply
from plugin.request.undo import Undo


class Capability(Enum):
    """An ability of the networks of a mode; other modules ask for it, never for the name of a mode."""

    HOST_GATEWAY = "the host is the gateway of containers, and forwards what they send"
    PUBLISHES = "ports of containers can be published on the host"
    SHARES_LINK = "several networks may be on one link of the host"


@dataclass(frozen=True, slots=True)
class LinkKind:
    """Links that a mode makes: ``prefix`` begins their names, and ``kernel`` is the kernel's name of their type.

    Their names end with the id of a network or an endpoint, as ``of`` says. Frames enter a network by a ``port``. Links
    are deleted together after a pause, except those of a kind that must go ``at_once``. One that ``moves`` goes into a
    container itself.
    """

    prefix: str
    kernel: str
    of: str = NETWORK
    port: bool = False
    at_once: bool = False
    moves: bool = False

    def name(self, identity: str) -> str:
        """Return the name of the link that is made for a network or an endpoint."""
        return self.prefix + identity[:ID_LENGTH]


def no_addresses(_name: str) -> Collection[Address]:
    """Know no address of any name."""
    return ()


def unnamed(_network: Network) -> None:
    """Serve no names."""


@dataclass(frozen=True, slots=True)
class HostParts:
    """The parts of this host that modes work with; ``owner`` is the name of this pynet.

    ``resolve`` returns the known addresses of a name in a policy, and ``resolvers`` the servers that the engine asks
    for containers. ``serve_names`` starts pynet's own resolver if a network wants it.
    """

    kernel: Kernel
    firewall: Firewall
    settings: HostSettings
    owner: str
    shared: Shared
    parents: Parents
    shims: Shims
    resolve: Callable[[str], Collection[Address]] = no_addresses
    resolvers: Callable[[], Collection[Address]] = tuple
    serve_names: Callable[[Network], object] = unnamed


class Mode(Protocol):
    """Describes a network and its endpoints in the kernel, and takes them out of use.

    ``plugin.modes.applier`` makes the links, rules and addresses that a mode describes. Verbs that return None do
    nothing in a mode that does not need them. Removing verbs go on past failures, count a missing link or address as
    removed, and name links for the reaper instead of waiting for the kernel to delete them.

    ``settings`` declares the options of its networks: those of every mode, and its own in a subclass. ``refuses`` has
    the keys of options of networks and endpoints that it cannot honour, with the reason and the way out. ``summary``
    describes its networks for the table of options.
    """

    name: str
    summary: str
    settings: type[NetworkSettings]
    does: frozenset[Capability]
    links: Sequence[LinkKind]
    refuses: Mapping[str, str] = {}

    def __init__(self, parts: HostParts) -> None:
        """Take the parts of the host."""

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        """Return the record of a network found in the kernel; it changes if ``links`` belong to a network of this mode.

        Pynet made ``links`` for the network, and ``network`` was read from the bridge among them.
        """

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Check everything that can be checked without touching anything, and return the record to be.

        The same request gives the same record. ``settings`` is an object of the mode's own class of settings.
        """

    def prepare(self, network: Network, undo: Undo) -> Network:
        """Agree with other hosts on values that the request leaves open, before links are made; return the full record.

        Raises:
            KernelError, PynetError: a step failed; ``undo`` takes back the steps before it.
        """

    def followed(self, network: Network) -> Network:
        """Return the record after a look for the user's link that the network is on, by whatever name; store a change.

        Raises:
            Failed: the link is gone; the text says what to do.
        """
        return network

    def holds(self, link: str) -> bool:
        """Return whether networks share ``link``, which has an alias of none of them, or one is being made on it."""
        del link
        return False

    def owned(self, network: Network) -> Network:
        """Return the record of a network after pynet has made its link, also in the place of a user's link."""

    def changed(self, before: Network, after: Network) -> Network:
        """Return the record of a running network whose options change, with everything that follows from them.

        Raises:
            InvalidRequest: this network cannot have that change while it runs.
        """
        del before
        return after

    def links_made(self, network: Network, undo: Undo) -> None:
        """Start the upkeep of links that were just made, beyond ``desired``."""
        del network, undo

    def resume(self, network: Network) -> None:
        """Go on with a network whose links are there after a start, together with the other hosts.

        Raises:
            KernelError, PynetError: it is not possible, for example because another link has the name.
        """
        del network

    def delete_network(self, network: Network) -> list[str]:
        """Take the network out of use and return the links left to delete."""

    def prepare_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> Endpoint:
        """Return the full record of an endpoint that is made next, with values that the request leaves open.

        Raises:
            KernelError, PynetError: the network cannot have the endpoint.
        """
        del network, undo
        return endpoint

    def beside(self, network: Network) -> Collection[str]:
        """Return the ids of other networks whose containers share a wire with those of ``network``, and its MACs."""
        del network
        return ()

    def announce(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        """Tell others of an endpoint whose link is made next."""
        del network, endpoint, undo

    def announce_again(self, network: Network, before: Endpoint, after: Endpoint, undo: Undo) -> None:
        """Tell others of an endpoint whose options have changed; ``undo`` tells them of ``before``."""
        del network, before, after, undo

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Take the endpoint out of use and return the links left to delete."""

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Return the link that goes into the container, and where its default route points."""

    def desired(self, network: Network) -> Desired:
        """Describe ``network`` without its endpoints; nothing is read from the kernel.

        ``plugin.modes.applier`` makes it, and ``plugin.reconcile`` repairs parts that are missing later.
        """

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        """Describe the additions for ``endpoint``."""

    def in_container(self, endpoint: Endpoint) -> bool:
        """Return whether a container has the endpoint's link."""


def desired_of(mode: Mode, network: Network, endpoints: Iterable[Endpoint]) -> Desired:
    """Describe ``network`` with ``endpoints``."""
    parts = [mode.desired(network), *(mode.desired_port(network, endpoint) for endpoint in endpoints)]
    shared = list(dict.fromkeys(each for part in parts for each in part.shared))
    return replace(
        parts[0],
        links=[*(link for part in parts for link in part.links), *(each.link for each in shared)],
        settings=[
            *(each for part in parts for each in part.settings),
            *(each for one in shared for each in one.settings),
        ],
        limits=[limit for part in parts for limit in part.limits],
        elements={owner: elements for part in parts for owner, elements in part.elements.items()},
        lost=[endpoint for part in parts for endpoint in part.lost],
        cut=[endpoint for part in parts for endpoint in part.cut],
        kept=[owner for part in parts for owner in part.kept],
        shared=shared,
        routes=[route for part in parts for route in part.routes],
    )
