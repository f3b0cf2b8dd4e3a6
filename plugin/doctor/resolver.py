"""Tries pynet's resolver from inside of containers, as their programs ask: whether it answers, and whether it is asked.

The question is for ``resolver.pynet``, which nobody but pynet can answer.
"""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netlink.errors import KernelError
from netlink.namespace import namespace_of
from plugin.doctor.facts import Asked, Facts, HostFinding, Severity
from plugin.errors import PynetError
from plugin.firewall.elements import resolver_versions
from plugin.model.records import Network
from plugin.model.resolver_place import ITSELF, RESOLVER
from plugin.resolver.addresses import LINK

if TYPE_CHECKING:
    from plugin.interfaces import Addresses

ENGINE = "127.0.0.11"  # where the engine answers containers (moby daemon/libnetwork/resolver.go)
DNS = 53  # port
PATIENCE = 2.0  # seconds for one answer
MOST = 8  # networks that are tried


@dataclass(frozen=True, slots=True)
class Inside:
    """A container that runs: its name, and its first process."""

    name: str
    process: int


def ask_inside(
    networks: Iterable[Network], container_of: Callable[[str], Inside | None], engine: str = ENGINE
) -> tuple[Asked, ...]:
    """Ask inside of a container of each network with names; ``container_of`` returns one by the id of its network.

    Networks without a gateway address on the host cannot ask pynet, and are left out as those that have no container
    which can be entered.
    """
    found: list[Asked] = []
    for network in networks:
        gateway = _gateway(network)
        inside = container_of(network.id) if gateway and len(found) < MOST else None
        if inside is None:
            continue
        try:
            with namespace_of(inside.process):
                answers = _ask(gateway), _ask(engine)
        except KernelError:
            continue
        found.append(Asked(network.id, inside.name, gateway, *answers))
    return tuple(found)


def lost_addresses(kernel: "Addresses", served: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses at which the resolver serves and which the host has no more; raises ``KernelError``."""
    there = {str(address.ip) for address in kernel.addresses_of(LINK)} if served else set()
    return tuple(address for address in served if address not in there)


def resolver(facts: Facts) -> Iterator[HostFinding]:
    """Containers find names if pynet's resolver serves, and if they ask it."""
    if facts.serving.resolver_trouble:
        cure = "stop the program that is in the way; pynet tries again by itself"
        yield HostFinding(Severity.ERROR, facts.serving.resolver_trouble, cure, ("ss -lunp sport = 5359",))
    for address in facts.astray:
        cause = f"link '{LINK}' has lost address '{address}', at which containers ask pynet's resolver"
        yield HostFinding(Severity.WARNING, cause, "find what removes it; pynet gives it again", ("pynet reconcile",))
    for asked in facts.asked:
        where = f"container '{asked.container}' of network '{asked.network[:12]}'"
        if asked.pynet:
            cause = f"pynet's resolver does not answer {where} at {asked.gateway}: {asked.pynet}"
            cure = "see whether it serves, and whether a firewall drops the questions"
            yield HostFinding(Severity.ERROR, cause, cure, ("pynet dns status", "pynet drops"))
        elif asked.engine:
            cause = f"{where} does not ask pynet for names: its own servers do not know {ITSELF}: {asked.engine}"
            cure = "choose one of the ways that pynet dns setup prints"
            yield HostFinding(Severity.WARNING, cause, cure, ("pynet dns setup",))


def _gateway(network: Network) -> str:
    """Return the address at which containers ask, "" if they cannot or do not want to."""
    try:
        return str(network.gateway_addresses[0].ip) if resolver_versions(network) else ""
    except PynetError:
        return ""


def _ask(server: str) -> str:
    """Return "" if a server knows the resolver's own name, else why not."""
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode

    query, family = dns.message.make_query(ITSELF, "A"), socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect((server, DNS))  # only then the kernel tells that nobody serves there
            answer = dns.query.udp(query, server, timeout=PATIENCE, sock=sock)
    except dns.exception.Timeout:
        return f"no answer within {PATIENCE:g} s"
    except (OSError, dns.exception.DNSException) as error:
        return str(getattr(error, "strerror", "") or error or type(error).__name__).lower()
    addresses = {str(one) for rrset in answer.answer for one in rrset}
    return "" if str(RESOLVER[4]) in addresses else dns.rcode.to_text(answer.rcode())
