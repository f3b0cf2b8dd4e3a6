"""A finding: something wrong with a host, and its cure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from plugin.doctor.facts import Facts


class Severity(StrEnum):
    """An error breaks something, a warning may break something, a note is only good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class HostFinding:
    """Something wrong with the host, and its cure in one sentence."""

    check: str
    severity: Severity
    what: str
    fix: str


Check = Callable[[Facts], Iterator[HostFinding]]
