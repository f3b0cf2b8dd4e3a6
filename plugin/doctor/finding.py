"""A finding: what is wrong with a host, and its cure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from plugin.doctor.facts import Facts


class Severity(StrEnum):
    """An error keeps something from working, a warning may, a note is only good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to do about it in one sentence."""

    check: str
    severity: Severity
    what: str
    fix: str


Check = Callable[[Facts], Iterator[Finding]]
