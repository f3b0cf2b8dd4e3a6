"""``pynet publish`` and ``pynet unpublish``: words like those of ``docker run -p``."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cli.exit_codes import BadUsage
from netlink.ip import Address
from plugin.firewall.elements import PROTOCOLS
from plugin.options.option import plain_address

_NUMBERS = {name: number for number, name in PROTOCOLS.items()}
_LARGEST = 65535
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
_WORD = re.compile(
    r"(?:(?:\[(?P<six>[^]]+)\]|(?P<four>[0-9]+\.[0-9.]*)):)?(?:(?P<host>[0-9-]*):)?(?P<port>[0-9-]+)(?:/(?P<proto>\w+))?"
)


@dataclass(frozen=True, slots=True)
class Range:
    """Ports from ``first`` to ``last``."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def is_port(word: str) -> bool:
    """Return whether a word looks like a port, and not like the name of a network."""
    return bool(_WORD.fullmatch(word))


def bindings_of(words: Sequence[str]) -> list[dict[str, Any]]:
    """Return ports to publish, as the verb has them, from words like 8080:80, [::1]:53:53/udp or 80.

    Raises:
        BadUsage: there is no word, or one of them cannot be read.
    """
    if not words:
        raise BadUsage("name at least one port, such as 8080:80")
    return [binding for word in words for binding in _bindings(word)]


def places_of(words: Sequence[str]) -> list[dict[str, int]]:
    """Return ports of the host, from words like 8080, 53/udp or 8000-8010; the words of ``bindings_of`` work too."""
    if not words:
        raise BadUsage("name at least one port of the host, such as 8080")
    found = []
    for word in words:
        parts = _parts(word)
        ports = _range(word, parts["host"] or parts["port"])
        found += [{"Proto": _protocol(word, parts["proto"]), "Port": ports.first + n} for n in range(len(ports))]
    return found


def _bindings(word: str) -> Iterator[dict[str, Any]]:
    parts = _parts(word)
    proto, address = _protocol(word, parts["proto"]), _address(word, parts["six"] or parts["four"])
    ports = _range(word, parts["port"])
    host = _range(word, parts["host"]) if parts["host"] else None
    if host is not None and len(host) != len(ports) != 1:
        raise BadUsage(f"'{word}': {len(host)} ports of the host and {len(ports)} of the container do not fit together")
    for number in range(len(ports)):
        first, last = (0, 0) if host is None else (host.first + number, host.first + number)
        if host is not None and len(ports) == 1:
            first, last = host.first, host.last
        yield {
            "Proto": proto,
            "Port": ports.first + number,
            "HostIP": "" if address is None else str(address),
            "HostPort": first,
            "HostPortEnd": last,
        }


def _parts(word: str) -> dict[str, str]:
    found = _WORD.fullmatch(word)
    if found is None:
        raise BadUsage(f"'{word}' is no port, such as 8080:80, 127.0.0.1:8080:80/tcp or 80")
    return {name: text or "" for name, text in found.groupdict().items()}


def _protocol(word: str, name: str) -> int:
    number = _NUMBERS.get(name.lower() or "tcp")
    if number is None:
        raise BadUsage(f"'{word}': protocol '{name}' is none of {', '.join(_NUMBERS)}")
    return number


def _address(word: str, text: str) -> Address | None:
    try:
        return plain_address(text) if text else None
    except ValueError:
        raise BadUsage(f"'{word}': '{text}' is no IP address") from None


def _range(word: str, text: str) -> Range:
    found = _RANGE.fullmatch(text)
    ports = Range(int(found[1]), int(found[2] or found[1])) if found else Range(0, 0)
    if not 1 <= ports.first <= ports.last <= _LARGEST:
        raise BadUsage(f"'{word}': '{text}' is no port from 1 to {_LARGEST}, nor a range of them")
    return ports
