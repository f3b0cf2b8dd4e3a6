"""How many questions came, and what became of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(slots=True)
class QuestionCounts:
    """Each question that gets a response is counted once, when it gets it. Written by one thread, read by any."""

    own: int = 0  # answered from names of containers
    cached: int = 0  # answered from the cache
    forwarded: int = 0  # answered by servers of the host
    refused: int = 0  # not to be answered, not to be understood, or against a policy
    failed: int = 0  # no server answered, or there were too many questions

    def by_outcome(self) -> Mapping[str, int]:
        """Return the numbers by what became of the questions."""
        return asdict(self)
