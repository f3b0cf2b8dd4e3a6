"""Ports that a user adds to those of Docker, or takes away from them. No I/O."""

from collections.abc import Sequence

from plugin.model.records import Endpoint, Published
from plugin.protocol.messages import PortBinding
from plugin.publish.bindings import by_port


def merged(endpoint: Endpoint, bindings: Sequence[PortBinding]) -> tuple[PortBinding, ...]:
    """Return the ports that Docker asks for, without those that the user withdrew, and with those that were added."""
    left = list(bindings)
    for (proto, port, host_port), places in by_port(endpoint.withdrawn).items():
        hosts = {"", *(str(place.host) for place in places)}
        alike = [each for each in left if (each.proto, each.port) == (proto, port) and each.host_ip in hosts]
        exact = [each for each in alike if each.host_port == host_port]
        for each in exact or [each for each in alike if _may_get(each, host_port)][:1]:
            left.remove(each)
    routed = {(port.proto, port.port) for port in endpoint.withdrawn if port.host is None}
    return (*(each for each in left if (each.proto, each.port) not in routed), *endpoint.added)


def is_added(endpoint: Endpoint, port: Published) -> bool:
    """Return whether a published port is one that the user added."""
    where = "" if port.host is None else str(port.host)
    alike = (port.proto, port.port, port.host_port)
    return any(
        (each.proto, each.port, each.host_port) == alike and each.host_ip in {"", where} for each in endpoint.added
    )


def _may_get(binding: PortBinding, host_port: int) -> bool:
    """Return whether a binding may have got ``host_port``: it asks for any port, or for one of a range."""
    return not binding.host_port or binding.host_port <= host_port <= binding.host_port_end
