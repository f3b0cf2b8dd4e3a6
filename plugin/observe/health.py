"""Whether pynet does its work: a verdict for each thing that it needs, with the reason why not.

A check that failed means that calls of the engine fail, or that networks are not guarded. A degraded one means that
something is worse than it should be, and that nothing is won by ending pynet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from netlink.deadline import deadline
from netlink.errors import KernelError, reason
from netlink.values import dataclass
from plugin.errors import Busy, PynetError
from plugin.observe import metrics as m
from plugin.observe.page import Page

PATIENCE = 2.0  # seconds for each check


class Condition(StrEnum):
    """How something is, from good to bad."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of one thing; ``reason`` is a sentence, "" if it is well."""

    check: str
    state: Condition
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """``ask`` returns why something is not well, "" if it is; then, or if it raises, its state is ``otherwise``."""

    ask: Callable[[], str]
    otherwise: Condition = Condition.FAILED

    def verdict(self, name: str) -> Verdict:
        """Ask. To be busy is no failure, because what is asked works on something else."""
        try:
            with deadline(PATIENCE):
                why = self.ask()
        except Busy as error:
            return Verdict(name, Condition.DEGRADED, str(error))
        except (KernelError, PynetError) as error:
            why = str(error)
        except OSError as error:
            why = reason(error)
        return Verdict(name, self.otherwise if why else Condition.OK, why)


def examine(checks: Mapping[str, HealthCheck]) -> Sequence[Verdict]:
    """Return the verdicts of all checks."""
    return [check.verdict(name) for name, check in checks.items()]


def worst(verdicts: Iterable[Verdict]) -> Condition:
    """Return the worst state."""
    return max((verdict.state for verdict in verdicts), key=list(Condition).index, default=Condition.OK)


def write_health(verdicts: Callable[[], Sequence[Verdict]], page: Page) -> None:
    """Add a series for each check."""
    for verdict in verdicts():
        page.add(m.HEALTH, int(verdict.state is Condition.OK), verdict.check)
