"""Messages of the verbs that change running networks and containers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SetOptions:
    """Options to set on a running network, or on one endpoint of it, by key or short name."""

    network: str
    endpoint: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResetOptions:
    """Options whose changes are to be taken back, by key or short name; all of them without ``words``."""

    network: str
    endpoint: str = ""
    words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SettingChange:
    """An option with its texts before and now; ``origin`` is one of ``plugin.options.origin``."""

    key: str
    value: str
    origin: str
    before: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed on a network with ``endpoints`` endpoints, or on one of them.

    ``mtu`` and ``gso``, the largest packet in bytes, are those of the links from now on, 0 if they are as before: the
    ends of links in containers are to be changed as well, which the serving process cannot do.
    """

    network: str
    endpoint: str
    settings: Sequence[SettingChange]
    endpoints: int
    mtu: int = 0
    gso: int = 0
