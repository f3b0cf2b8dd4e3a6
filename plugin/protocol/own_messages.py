"""Answers of the serving process to pynet's own command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlink.ip import Address


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting with its value as text; ``origin`` is "default" or "environment". A secret is named by its file."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class About:
    """The serving process, with process id and state folder as it sees them, which differ outside of a container."""

    version: str
    process: int
    name: str
    state_dir: str
    managed: bool  # by the engine, as a plugin
    settings: Sequence[SettingInForce]


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of a container; without ``host_ip`` it is open at the container's own address."""

    endpoint: str
    network: str
    proto: str
    host_ip: Address | None
    host_port: int
    container_ip: Address
    container_port: int


@dataclass(frozen=True, slots=True)
class StateCopy:
    """A database of SQLite as of one moment, and how many records of each kind it has."""

    database: bytes
    records: Mapping[str, int]
