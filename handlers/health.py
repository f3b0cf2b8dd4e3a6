"""The answer to a question about pynet's health, on the admin socket and by TCP."""

from collections.abc import Callable, Sequence
from typing import Any

from plugin.errors import PynetError
from plugin.observe.health import Condition, Verdict, worst


def health_reply(verdicts: Callable[[], Sequence[Verdict]]) -> tuple[int, dict[str, Any]]:
    """Return a status, 200 or 503, and the verdicts as JSON's types; the reasons of failures are in ``Err``."""
    try:
        found = verdicts()
    except PynetError as error:
        found = [Verdict("health", Condition.FAILED, str(error))]
    state = worst(found)
    reply: dict[str, Any] = {
        "Healthy": state is not Condition.FAILED,
        "State": state,
        "Checks": [{"Check": each.check, "State": each.state, "Reason": each.reason} for each in found],
    }
    if state is Condition.FAILED:
        reply["Err"] = "; ".join(each.reason for each in found if each.state is Condition.FAILED)
    return 503 if state is Condition.FAILED else 200, reply
